-- Rows of the six tables from before the night of the guide (see roles.sql): the application goes on writing.
SELECT 'users' AS name, btrim(regexp_replace(query_to_xml(format(
    'SELECT count(*) FROM public.%I WHERE created_at < ''2025-10-25''',
    CASE WHEN to_regclass('public.users') IS NULL THEN 'iso_agents' ELSE 'users' END),
  false, true, '')::text, '<[^>]*>', '', 'g'), E' \n')::bigint AS rows
UNION ALL SELECT 'client_profiles', count(*) FROM public.client_profiles WHERE created_at < '2025-10-25'
UNION ALL SELECT 'requests', count(*) FROM public.requests WHERE created_at < '2025-10-25'
UNION ALL SELECT 'quotes', count(*) FROM public.quotes WHERE created_at < '2025-10-25'
UNION ALL SELECT 'workflow_states', count(*) FROM public.workflow_states WHERE created_at < '2025-10-25'
UNION ALL SELECT 'agent_executions', count(*) FROM public.agent_executions WHERE created_at < '2025-10-25'
ORDER BY name
