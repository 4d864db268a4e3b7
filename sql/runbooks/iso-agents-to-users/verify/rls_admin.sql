-- An admin under row security (see rls_member.sql for how it is asked) sees every user, client and request.
WITH person AS MATERIALIZED (
  SELECT clerk_user_id FROM public.users WHERE role = 'admin' AND is_active ORDER BY created_at, id LIMIT 1
), due AS MATERIALIZED (
  SELECT format('%s profiles, %s clients, %s requests', (SELECT count(*) FROM public.users),
    (SELECT count(*) FROM public.client_profiles), (SELECT count(*) FROM public.requests)) AS rows
), become AS MATERIALIZED (
  SELECT due.rows AS due, set_config('request.jwt.claims', json_build_object('sub', clerk_user_id)::text, true) AS claims,
    set_config('role', 'authenticated', true) AS role
  FROM person, due
), seen AS MATERIALIZED (
  SELECT become.due, answer.word AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'authenticated' AND become.claims <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[format('%s profiles, %s clients, %s requests', (SELECT count(*) FROM public.users),
      (SELECT count(*) FROM public.client_profiles), (SELECT count(*) FROM public.requests))]) $$ END) AS answer
)
SELECT CASE WHEN rows = due THEN 'sees every row' ELSE format('sees %s instead of %s', rows, due) END AS admin,
  set_config('role', 'none', true) AS role, set_config('request.jwt.claims', '', true) AS claims
FROM seen
