-- The old roles have no customer: after going back each one must be there, locked, and marked as what they were. Users
-- who are marked but are active or have another role than iso_agent are wrong.
SELECT count(*)
FROM public.iso_agents
WHERE metadata #>> '{users_migration,role}' = 'customer' AND (is_active OR role <> 'iso_agent')
