SELECT c.relname || ' ' || k.conname AS constraint
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
WHERE k.contype IN ('f', 'c') AND NOT k.convalidated AND c.relnamespace = 'public'::regnamespace AND c.relname IN (
  'workspaces', 'users', 'global_topics', 'trends', 'queries', 'saved_searches', 'leads', 'credit_usage', 'export_jobs',
  'people_search_results', 'saved_people_searches', 'integrations', 'billing_events', 'notification_preferences', 'stripe_customers')
