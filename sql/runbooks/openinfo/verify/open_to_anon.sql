-- Whatever somebody without a token may do with a table, a column or a function of ours. A Supabase project gives all of
-- it by default.
WITH ours AS (
  SELECT oid, relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN (
    'workspaces', 'users', 'global_topics', 'trends', 'queries', 'saved_searches', 'leads', 'credit_usage', 'export_jobs',
    'people_search_results', 'saved_people_searches', 'integrations', 'billing_events', 'notification_preferences', 'stripe_customers')
)
SELECT name, privilege
FROM ours
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
WHERE has_any_column_privilege('anon', oid, privilege)
UNION ALL
SELECT name, privilege
FROM ours
CROSS JOIN unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS privilege
WHERE has_table_privilege('anon', oid, privilege)
UNION ALL
SELECT p.oid::regprocedure::text, 'EXECUTE'
FROM pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace AND has_function_privilege('anon', p.oid, 'EXECUTE') AND p.proname IN (
  'set_updated_at', 'get_user_workspace_id', 'get_user_id', 'check_query_limit', 'enforce_query_limit', 'check_credits_available',
  'record_credit_usage', 'search_topics', 'reset_daily_credits', 'update_topic_trends', 'reset_weekly_lead_counts',
  'cleanup_expired_exports')
ORDER BY 1, 2
