-- Value for value, without the views that made the copy: each filled column of users_old, and where it should be now. Only
-- names of columns are shown, because most of the values are secrets. Rows that were changed since 003 are left out.
WITH step AS (
  SELECT age(xmin) FROM pg_policy WHERE polname = 'Kept for the way back'
), now AS (
  SELECT ui.* FROM dev.user_integrations AS ui, step
  WHERE ui.id = md5(ui.service_id || ' of ' || ui.user_id)::uuid AND age(ui.xmin) >= step.age
), untouched AS (
  -- Neither changed nor deleted, as far as anybody can tell.
  SELECT o.* FROM dev.users_old AS o
  WHERE NOT EXISTS (
    SELECT FROM dev.user_integrations AS ui, step WHERE ui.user_id = o.id AND age(ui.xmin) < step.age)
)
SELECT v.name, count(*) AS lost, min(o.id) AS for_example
FROM untouched AS o
LEFT JOIN now AS g ON g.user_id = o.id AND g.service_id = 'gmail'
LEFT JOIN now AS c ON c.user_id = o.id AND c.service_id = 'google_calendar'
LEFT JOIN now AS t ON t.user_id = o.id AND t.service_id = 'telegram'
LEFT JOIN now AS s ON s.user_id = o.id AND s.service_id = 'signal'
CROSS JOIN LATERAL (VALUES
  ('access_token', o.access_token, g.access_token),
  ('refresh_token', o.refresh_token, g.refresh_token),
  ('client_id', o.client_id, g.client_id),
  ('client_secret', o.client_secret, g.client_secret),
  ('auth_code', o.auth_code, g.auth_code),
  ('gmail_address', o.gmail_address, g.external_user_id),
  ('gmail_history_id', o.gmail_history_id, g.metadata ->> 'history_id'),
  ('refresh_expired', nullif(o.refresh_expired, false)::text, g.refresh_expired::text),
  ('access_token_2', o.access_token_2, c.access_token),
  ('refresh_token_2', o.refresh_token_2, c.refresh_token),
  ('client_id_2', o.client_id_2, c.client_id),
  ('client_secret_2', o.client_secret_2, c.client_secret),
  ('auth_code_2', o.auth_code_2, c.auth_code),
  ('calendar_id', o.calendar_id, c.metadata ->> 'calendar_id'),
  ('calendar_sync_token', o.calendar_sync_token, c.metadata ->> 'sync_token'),
  ('refresh_expired_2', nullif(o.refresh_expired_2, false)::text, c.refresh_expired::text),
  ('telegram_id', o.telegram_id, t.external_user_id),
  ('telegram_username', o.telegram_username, t.external_username),
  ('telegram_chat_id', o.telegram_chat_id, t.credentials ->> 'chat_id'),
  ('telegram_signup_token', o.telegram_signup_token, t.credentials ->> 'signup_token'),
  ('telegram_linked_at', o.telegram_linked_at::text, t.created_at::text),
  ('signal_source_uuid', o.signal_source_uuid, s.external_user_id),
  ('signal_number', o.signal_number, s.external_username),
  ('signal_device', o.signal_device::text, s.metadata ->> 'device'),
  ('signal_linked_at', o.signal_linked_at::text, s.created_at::text),
  -- A date that was read is the same moment, without a zone in UTC; one that cannot be read is there as it was.
  ('token_expiration_date', CASE WHEN g.token_expires_at IS NULL THEN o.token_expiration_date
      ELSE extract(epoch FROM (btrim(o.token_expiration_date)
        || CASE WHEN btrim(o.token_expiration_date) ~ '[T ].*(Z|[+-]\d\d(:?\d\d)?)$' THEN '' ELSE ' UTC' END)::timestamptz)::text END,
    CASE WHEN g.token_expires_at IS NULL THEN g.metadata ->> 'token_expiration_date'
      ELSE extract(epoch FROM g.token_expires_at)::text END),
  ('token_expiration_date_2', CASE WHEN c.token_expires_at IS NULL THEN o.token_expiration_date_2
      ELSE extract(epoch FROM (btrim(o.token_expiration_date_2)
        || CASE WHEN btrim(o.token_expiration_date_2) ~ '[T ].*(Z|[+-]\d\d(:?\d\d)?)$' THEN '' ELSE ' UTC' END)::timestamptz)::text END,
    CASE WHEN c.token_expires_at IS NULL THEN c.metadata ->> 'token_expiration_date'
      ELSE extract(epoch FROM c.token_expires_at)::text END),
  ('granted_scopes', CASE jsonb_typeof(o.granted_scopes) WHEN 'array' THEN o.granted_scopes::text
      WHEN 'string' THEN to_jsonb(array_remove(regexp_split_to_array(o.granted_scopes #>> '{}', ' +'), ''))::text
      ELSE nullif(o.granted_scopes::text, 'null') END,
    coalesce(g.granted_scopes, g.metadata -> 'granted_scopes')::text),
  ('granted_scopes_2', CASE jsonb_typeof(o.granted_scopes_2) WHEN 'array' THEN o.granted_scopes_2::text
      WHEN 'string' THEN to_jsonb(array_remove(regexp_split_to_array(o.granted_scopes_2 #>> '{}', ' +'), ''))::text
      ELSE nullif(o.granted_scopes_2::text, 'null') END,
    coalesce(c.granted_scopes, c.metadata -> 'granted_scopes')::text)
) AS v (name, was, is_now)
WHERE v.was <> '' AND v.was IS DISTINCT FROM v.is_now
GROUP BY v.name
ORDER BY v.name
