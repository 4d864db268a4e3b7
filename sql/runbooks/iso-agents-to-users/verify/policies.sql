SELECT tablename, count(*)
FROM pg_policies
WHERE schemaname = 'public'
  AND tablename IN ('users', 'client_profiles', 'requests', 'quotes', 'workflow_states', 'agent_executions')
GROUP BY tablename
ORDER BY tablename
