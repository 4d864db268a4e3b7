-- Names that the steps are about to give.
SELECT 'relation' AS kind, relname::text AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND (relname IN (
  'workspaces', 'users', 'global_topics', 'trends', 'queries', 'saved_searches', 'leads', 'credit_usage', 'export_jobs',
  'people_search_results', 'saved_people_searches', 'integrations', 'billing_events', 'notification_preferences', 'stripe_customers')
  OR relname ~ '^idx_(workspaces|users|global_topics|trends|queries|saved_searches|leads|credit_usage|export_jobs)_'
  OR relname ~ '^idx_(people_search_results|saved_people_searches|integrations|billing_events)_'
  OR relname ~ '^idx_(notification_preferences|stripe_customers)_'
  -- An old table under another name keeps the names of its keys.
  OR relname IN ('workspaces_slug_key', 'users_auth_user_id_key', 'users_workspace_id_id_key', 'trends_topic_id_week_start_key',
    'queries_workspace_id_id_key', 'billing_events_stripe_event_id_key', 'notification_preferences_user_id_key',
    'stripe_customers_workspace_id_key', 'stripe_customers_stripe_customer_id_key', 'stripe_customers_stripe_subscription_id_key'))
UNION ALL
SELECT 'type', typname FROM pg_type
WHERE typnamespace = 'public'::regnamespace AND typname IN ('query_status', 'enrichment_status', 'delivery_status', 'export_status')
UNION ALL
SELECT 'function', oid::regprocedure::text FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proname IN (
  'set_updated_at', 'get_user_workspace_id', 'get_user_id', 'check_query_limit', 'enforce_query_limit', 'check_credits_available',
  'record_credit_usage', 'search_topics', 'reset_daily_credits', 'update_topic_trends', 'reset_weekly_lead_counts',
  'cleanup_expired_exports')
ORDER BY 1, 2
