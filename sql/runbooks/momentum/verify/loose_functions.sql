-- Functions of ours that let the caller's search_path decide what a name means, or that more roles may call than should.
SELECT p.oid::regprocedure::text AS function, r.role AS callable_by
FROM pg_proc AS p
CROSS JOIN (VALUES ('anon'), ('authenticated')) AS r (role)
WHERE p.pronamespace = 'public'::regnamespace
  AND p.proname IN ('my_organizations', 'my_managed_organizations', 'cleanup_expired_zoom_tokens', 'carry_over_legacy_user',
    'carry_over_legacy_session')
  AND (
    NOT coalesce(p.proconfig @> ARRAY['search_path=""'], false)
    OR (has_function_privilege(r.role, p.oid, 'EXECUTE') AND NOT (r.role = 'authenticated' AND p.proname LIKE 'my\_%')))
ORDER BY 1, 2
