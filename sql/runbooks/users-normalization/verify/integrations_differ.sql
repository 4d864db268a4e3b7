-- Row for row: integrations that nobody has changed since 003 (see counts.sql) and that are not what the old form says.
SELECT o.user_id, o.service_id, to_jsonb(ui) - 'access_token' - 'refresh_token' - 'client_secret' - 'auth_code' - 'credentials' AS now
FROM dev.users_old_integrations AS o
JOIN dev.user_integrations AS ui ON ui.id = md5(o.service_id || ' of ' || o.user_id)::uuid
CROSS JOIN (SELECT age(xmin) FROM pg_policy WHERE polname = 'Kept for the way back') AS step
WHERE age(ui.xmin) >= step.age
  AND to_jsonb(o) IS DISTINCT FROM to_jsonb(ui) - 'id' - 'updated_at'
