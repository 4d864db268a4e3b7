-- Somebody with a valid token whom the users table does not know (see rls_member.sql) sees nothing at all.
WITH asked AS MATERIALIZED (
  SELECT set_config('request.jwt.claims', '{"sub": "user_nobody", "role": "authenticated"}', true),
    set_config('role', 'authenticated', true),
    query_to_xml($$
      SELECT (SELECT count(*) FROM public.users) + (SELECT count(*) FROM public.client_profiles)
        + (SELECT count(*) FROM public.requests) + (SELECT count(*) FROM public.quotes)
        + (SELECT count(*) FROM public.workflow_states) + (SELECT count(*) FROM public.agent_executions) AS rows
    $$, false, true, '')::text AS answer,
    set_config('role', 'none', true), set_config('request.jwt.claims', '', true)
)
SELECT substring(answer FROM '<rows>(\d+)<')::bigint AS rows FROM asked
