-- The guide's three counts, as what is missing. Whatever is younger than the policy that ends 003 was written by the new
-- application: its sign-ups are not counted, and a user that it changed is the same user.
SELECT
  (SELECT count(*) FROM dev.users_old) - (SELECT count(*) FROM dev.users AS u WHERE age(u.xmin) >= step.age
    OR EXISTS (SELECT FROM dev.users_old AS o WHERE o.id = u.id)) AS users_missing,
  (SELECT count(*) FROM dev.users_old_integrations) - (SELECT count(*) FROM dev.user_integrations AS ui
    JOIN dev.users_old_integrations AS o ON ui.id = md5(o.service_id || ' of ' || o.user_id)::uuid) AS integrations_missing
FROM (SELECT age(xmin) FROM pg_policy WHERE polname = 'Kept for the way back') AS step
