-- Somebody with a valid token whom the users table does not know (see rls_member.sql for how it is asked) sees nothing.
WITH become AS MATERIALIZED (
  SELECT set_config('request.jwt.claims', '{"sub": "user_nobody"}', true) AS claims,
    set_config('role', 'authenticated', true) AS role
), seen AS MATERIALIZED (
  SELECT answer.word::bigint AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'authenticated' AND become.claims <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[(
      (SELECT count(*) FROM public.users) + (SELECT count(*) FROM public.client_profiles)
      + (SELECT count(*) FROM public.requests) + (SELECT count(*) FROM public.quotes)
      + (SELECT count(*) FROM public.workflow_states) + (SELECT count(*) FROM public.agent_executions))::text]) $$ END) AS answer
)
SELECT rows, set_config('role', 'none', true) AS role, set_config('request.jwt.claims', '', true) AS claims
FROM seen
