-- Rows of the six tables from before the night of the guide: the application goes on writing. See roles.sql for ts_stat.
SELECT 'users' AS name, word::bigint AS rows
FROM ts_stat(format('SELECT array_to_tsvector(ARRAY[count(*)::text]) FROM public.%I WHERE created_at < ''2025-10-25''',
  CASE WHEN to_regclass('public.users') IS NULL THEN 'iso_agents' ELSE 'users' END))
UNION ALL SELECT 'client_profiles', count(*) FROM public.client_profiles WHERE created_at < '2025-10-25'
UNION ALL SELECT 'requests', count(*) FROM public.requests WHERE created_at < '2025-10-25'
UNION ALL SELECT 'quotes', count(*) FROM public.quotes WHERE created_at < '2025-10-25'
UNION ALL SELECT 'workflow_states', count(*) FROM public.workflow_states WHERE created_at < '2025-10-25'
UNION ALL SELECT 'agent_executions', count(*) FROM public.agent_executions WHERE created_at < '2025-10-25'
ORDER BY name
