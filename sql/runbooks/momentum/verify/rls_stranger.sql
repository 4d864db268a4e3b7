-- Somebody with a valid token who is in no table, as PostgREST would ask, sees nothing. The role and the token's claims are
-- set inside this statement and set back. ts_stat plans the text it is given only when it runs, so it is planned as that
-- role; and it is the one function of every PostgreSQL that runs a text as a query.
WITH become AS MATERIALIZED (
  SELECT set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-00000000dead", "role": "authenticated"}', true) AS claims,
    set_config('role', 'authenticated', true) AS role
), seen AS MATERIALIZED (
  SELECT answer.word::bigint AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'authenticated' AND become.claims <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[(
      (SELECT count(*) FROM public.profiles) + (SELECT count(*) FROM public.deliverables)
      + (SELECT count(*) FROM public.organizations) + (SELECT count(*) FROM public.organization_members)
      + (SELECT count(*) FROM public.brand_settings WHERE user_id IS NOT NULL)
      + (SELECT count(*) FROM public.zoom_credentials))::text]) $$ END) AS answer
)
SELECT rows, set_config('role', 'none', true) AS role, set_config('request.jwt.claims', '', true) AS claims
FROM seen
