-- Users whom the new application has made (see tokens_since.sql).
SELECT count(*)
FROM dev.users AS u
WHERE u.created_at > now() - interval '1 day'
  AND age(u.xmin) < (SELECT age(xmin) FROM pg_policy WHERE polname = 'Kept for the way back')
