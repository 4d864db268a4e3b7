-- A user under row security (see rls_stranger.sql for how it is asked) sees the own profile and deliverables and no other. Where
-- nobody has a deliverable, somebody with a profile; where there is no profile, a stranger, who sees none.
WITH person AS MATERIALIZED (
  SELECT coalesce(
    (SELECT p.id FROM public.profiles AS p
     WHERE EXISTS (SELECT FROM public.deliverables AS d WHERE d.user_id = p.id) ORDER BY p.created_at, p.id LIMIT 1),
    (SELECT p.id FROM public.profiles AS p ORDER BY p.created_at, p.id LIMIT 1),
    '00000000-0000-4000-8000-00000000dead') AS id
), due AS MATERIALIZED (
  SELECT format('%s profile, %s deliverables', (SELECT count(*) FROM public.profiles AS p WHERE p.id = person.id),
    (SELECT count(*) FROM public.deliverables WHERE user_id = person.id)) AS rows
  FROM person
), become AS MATERIALIZED (
  SELECT due.rows AS due, set_config('request.jwt.claims', json_build_object('sub', id, 'role', 'authenticated')::text, true) AS claims,
    set_config('role', 'authenticated', true) AS role
  FROM person, due
), seen AS MATERIALIZED (
  SELECT become.due, answer.word AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'authenticated' AND become.claims <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[format('%s profile, %s deliverables',
      (SELECT count(*) FROM public.profiles), (SELECT count(*) FROM public.deliverables))]) $$ END) AS answer
)
SELECT CASE WHEN rows = due THEN 'sees own rows only' ELSE format('sees %s instead of %s', rows, due) END AS member,
  set_config('role', 'none', true) AS role, set_config('request.jwt.claims', '', true) AS claims
FROM seen
