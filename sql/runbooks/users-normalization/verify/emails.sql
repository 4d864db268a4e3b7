-- Addresses: nobody's is lost, each duplicate is noted with somebody who has it, and the oldest account keeps it.
SELECT
  (SELECT count(DISTINCT o.email) FROM dev.users_old AS o WHERE o.email <> ''
    AND NOT EXISTS (SELECT FROM dev.users_duplicate_emails AS d WHERE d.user_id = o.id AND d.email = o.email)
    AND NOT EXISTS (SELECT FROM dev.users AS u WHERE u.id = o.id AND (u.email = o.email OR age(u.xmin) < step.age))) AS lost,
  (SELECT count(*) FROM dev.users_duplicate_emails AS d JOIN dev.users_old AS o ON o.id = d.user_id
    WHERE o.email <> d.email OR d.kept_by IS NOT NULL AND NOT EXISTS (
      SELECT FROM dev.users_old AS k WHERE k.id = d.kept_by AND k.email = d.email AND k.created_at <= o.created_at)) AS wrong
FROM (SELECT age(xmin) FROM pg_policy WHERE polname = 'Kept for the way back') AS step
