SELECT tablename::text, policyname::text, permissive, cmd, roles::text[]::text AS roles, replace(qual, 'public.', '') AS using
FROM pg_policies
WHERE schemaname = 'public' AND tablename IN (
  'workspaces', 'users', 'global_topics', 'trends', 'queries', 'saved_searches', 'leads', 'credit_usage', 'export_jobs',
  'people_search_results', 'saved_people_searches', 'integrations', 'billing_events', 'notification_preferences', 'stripe_customers')
ORDER BY 1, 2
