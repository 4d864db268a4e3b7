-- A sales rep under row security, as PostgREST would ask. The role and the token's claims are set inside this statement
-- and set back. ts_stat plans the text it is given only when it runs, so it is planned as that role; and it is the one
-- function of every PostgreSQL that runs a text as a query (query_to_xml wants a server built with libxml).
WITH person AS MATERIALIZED (
  SELECT u.id, u.clerk_user_id
  FROM public.users AS u
  WHERE u.role = 'sales_rep' AND u.is_active AND EXISTS (SELECT FROM public.client_profiles AS c WHERE c.user_id = u.id)
  ORDER BY u.created_at, u.id LIMIT 1
), due AS MATERIALIZED (
  SELECT format('1 profile, %s clients, %s requests, %s quotes',
    (SELECT count(*) FROM public.client_profiles WHERE user_id = person.id),
    (SELECT count(*) FROM public.requests WHERE user_id = person.id),
    (SELECT count(*) FROM public.quotes AS q JOIN public.requests AS r ON r.id = q.request_id WHERE r.user_id = person.id)) AS rows
  FROM person
), become AS MATERIALIZED (
  SELECT due.rows AS due, set_config('request.jwt.claims', json_build_object('sub', clerk_user_id)::text, true) AS claims,
    set_config('role', 'authenticated', true) AS role
  FROM person, due
), seen AS MATERIALIZED (
  SELECT become.due, answer.word AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'authenticated' AND become.claims <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[format('%s profile, %s clients, %s requests, %s quotes',
      (SELECT count(*) FROM public.users WHERE role <> 'operator'),
      (SELECT count(*) FROM public.client_profiles),
      (SELECT count(*) FROM public.requests),
      (SELECT count(*) FROM public.quotes))]) $$ END) AS answer
)
SELECT CASE WHEN rows = due THEN 'sees own rows only' ELSE format('sees %s instead of %s', rows, due) END AS sales_rep,
  set_config('role', 'none', true) AS role, set_config('request.jwt.claims', '', true) AS claims
FROM seen
