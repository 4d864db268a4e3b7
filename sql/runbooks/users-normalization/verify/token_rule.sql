-- The workflow's old question, asked of users_old as its SQL and JavaScript did, against the new function's answer: users
-- for whom they differ. Rows that were changed since 003 are left out.
WITH step AS (
  SELECT age(xmin) FROM pg_policy WHERE polname = 'Kept for the way back'
), judged AS (
  SELECT o.id, o.access_token_2 <> '' AND coalesce(dev.users_old_expiry(o.token_expiration_date_2) >= now(), false) AS was,
    dev.get_calendar_token(o.id) AS info
  FROM dev.users_old AS o
  WHERE (o.refresh_expired_2 = false OR o.refresh_expired_2 IS NULL)
    AND NOT EXISTS (SELECT FROM dev.user_integrations AS ui, step WHERE ui.user_id = o.id AND age(ui.xmin) < step.age)
)
SELECT count(*) AS different
FROM judged
WHERE coalesce(was, false) IS DISTINCT FROM coalesce(NOT (info ->> 'is_expired')::boolean, false)
