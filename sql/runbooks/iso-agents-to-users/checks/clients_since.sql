-- Clients made since 007 (see signups.sql) by somebody who is a sales rep.
SELECT count(*)
FROM public.client_profiles AS c
JOIN public.users AS u ON u.id = c.user_id
WHERE u.role = 'sales_rep'
  AND c.created_at > now() - interval '1 day'
  AND age(c.xmin) < (SELECT age(p.xmin) FROM pg_policy AS p WHERE p.polname = 'Only service role can insert users')
