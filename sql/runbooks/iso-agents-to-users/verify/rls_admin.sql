-- An admin under row security (see rls_member.sql) sees every user, client and request.
WITH person AS MATERIALIZED (
  SELECT clerk_user_id FROM public.users WHERE role = 'admin' AND is_active ORDER BY created_at, id LIMIT 1
), due AS MATERIALIZED (
  SELECT (SELECT count(*) FROM public.users) AS profiles,
    (SELECT count(*) FROM public.client_profiles) AS clients,
    (SELECT count(*) FROM public.requests) AS requests
), asked AS MATERIALIZED (
  SELECT set_config('request.jwt.claims', json_build_object('sub', clerk_user_id, 'role', 'authenticated')::text, true),
    set_config('role', 'authenticated', true),
    query_to_xml($$
      SELECT (SELECT count(*) FROM public.users) AS profiles,
        (SELECT count(*) FROM public.client_profiles) AS clients,
        (SELECT count(*) FROM public.requests) AS requests
    $$, false, true, '')::text AS answer,
    set_config('role', 'none', true), set_config('request.jwt.claims', '', true)
  FROM person
)
SELECT CASE
    WHEN (substring(answer FROM '<profiles>(\d+)<')::bigint, substring(answer FROM '<clients>(\d+)<')::bigint,
          substring(answer FROM '<requests>(\d+)<')::bigint) = (due.profiles, due.clients, due.requests)
    THEN 'sees every row'
    ELSE format('should see %s profiles, %s clients, %s requests, but: %s', due.profiles, due.clients, due.requests,
      regexp_replace(answer, '\s+', ' ', 'g'))
  END AS admin
FROM due, asked
