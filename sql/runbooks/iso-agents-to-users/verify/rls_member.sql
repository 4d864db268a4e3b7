-- A sales rep under row security, as PostgREST would ask: the role and the token's claims are set for this statement,
-- left to right, and set back. query_to_xml plans its query only then, so it is planned as that role.
WITH person AS MATERIALIZED (
  SELECT u.id, u.clerk_user_id
  FROM public.users AS u
  WHERE u.role = 'sales_rep' AND u.is_active AND EXISTS (SELECT FROM public.client_profiles AS c WHERE c.user_id = u.id)
  ORDER BY u.created_at, u.id LIMIT 1
), due AS MATERIALIZED (
  SELECT 1 AS profiles,
    (SELECT count(*) FROM public.client_profiles WHERE user_id = person.id) AS clients,
    (SELECT count(*) FROM public.requests WHERE user_id = person.id) AS requests,
    (SELECT count(*) FROM public.quotes AS q JOIN public.requests AS r ON r.id = q.request_id WHERE r.user_id = person.id) AS quotes
  FROM person
), asked AS MATERIALIZED (
  SELECT set_config('request.jwt.claims', json_build_object('sub', clerk_user_id, 'role', 'authenticated')::text, true),
    set_config('role', 'authenticated', true),
    query_to_xml($$
      SELECT (SELECT count(*) FROM public.users WHERE role <> 'operator') AS profiles,
        (SELECT count(*) FROM public.client_profiles) AS clients,
        (SELECT count(*) FROM public.requests) AS requests,
        (SELECT count(*) FROM public.quotes) AS quotes
    $$, false, true, '')::text AS answer,
    set_config('role', 'none', true), set_config('request.jwt.claims', '', true)
  FROM person
)
SELECT CASE
    WHEN (substring(answer FROM '<profiles>(\d+)<')::bigint, substring(answer FROM '<clients>(\d+)<')::bigint,
          substring(answer FROM '<requests>(\d+)<')::bigint, substring(answer FROM '<quotes>(\d+)<')::bigint)
         = (due.profiles, due.clients, due.requests, due.quotes)
    THEN 'sees own rows only'
    ELSE format('should see %s profile, %s clients, %s requests, %s quotes, but: %s', due.profiles, due.clients, due.requests,
      due.quotes, regexp_replace(answer, '\s+', ' ', 'g'))
  END AS sales_rep
FROM due, asked
