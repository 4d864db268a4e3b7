-- Users whom the new application has made. Whatever is younger than a policy of 007 was written after it, and since
-- then only the new application can write here.
SELECT count(*)
FROM public.users AS u
WHERE u.created_at > now() - interval '1 day'
  AND age(u.xmin) < (SELECT age(p.xmin) FROM pg_policy AS p WHERE p.polname = 'Only service role can insert users')
