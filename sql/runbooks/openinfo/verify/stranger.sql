-- Somebody with a valid token who is in no workspace (see isolation.sql for how it is asked) sees nothing of any.
WITH become AS MATERIALIZED (
  SELECT set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-00000000dead"}', true) AS claims,
    set_config('role', 'authenticated', true) AS role
), seen AS MATERIALIZED (
  SELECT answer.word::bigint AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'authenticated' AND become.claims <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[(
      (SELECT count(*) FROM public.workspaces) + (SELECT count(*) FROM public.users) + (SELECT count(*) FROM public.queries)
      + (SELECT count(*) FROM public.saved_searches) + (SELECT count(*) FROM public.leads)
      + (SELECT count(*) FROM public.credit_usage) + (SELECT count(*) FROM public.export_jobs)
      + (SELECT count(*) FROM public.people_search_results) + (SELECT count(*) FROM public.saved_people_searches)
      + (SELECT count(*) FROM public.integrations) + (SELECT count(*) FROM public.billing_events)
      + (SELECT count(*) FROM public.notification_preferences) + (SELECT count(*) FROM public.stripe_customers))::text]) $$ END) AS answer
)
SELECT rows, set_config('role', 'none', true) AS role, set_config('request.jwt.claims', '', true) AS claims
FROM seen
