-- Ours alone, by name, as in all verifications: what else is in public is not ours to judge.
-- Row security without being forced: forced, the helpers' own look at users would be under the policy that asks them.
SELECT c.relname::text AS name, c.relrowsecurity, c.relforcerowsecurity,
  (SELECT count(*) FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname IN (
  'workspaces', 'users', 'global_topics', 'trends', 'queries', 'saved_searches', 'leads', 'credit_usage', 'export_jobs',
  'people_search_results', 'saved_people_searches', 'integrations', 'billing_events', 'notification_preferences', 'stripe_customers')
ORDER BY 1
