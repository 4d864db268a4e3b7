-- Who may call what: nobody without a token, and the server's functions not with a person's token. A function that runs
-- as its owner must not trust the caller's search_path.
SELECT p.proname::text AS name, p.prosecdef AS as_owner, 'search_path=""' = ANY (p.proconfig) AS own_path,
  concat_ws(' ', CASE WHEN has_function_privilege('anon', p.oid, 'EXECUTE') THEN 'anon' END,
    CASE WHEN has_function_privilege('authenticated', p.oid, 'EXECUTE') THEN 'authenticated' END,
    CASE WHEN has_function_privilege('service_role', p.oid, 'EXECUTE') THEN 'service_role' END) AS callers
FROM pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace AND p.prorettype <> 'trigger'::regtype AND p.proname IN (
  'set_updated_at', 'get_user_workspace_id', 'get_user_id', 'check_query_limit', 'enforce_query_limit', 'check_credits_available',
  'record_credit_usage', 'search_topics', 'reset_daily_credits', 'update_topic_trends', 'reset_weekly_lead_counts',
  'cleanup_expired_exports')
ORDER BY 1
