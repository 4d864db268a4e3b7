-- Each old column has as many values as its place in the new form has; counted from the columns themselves, not by the
-- views that made the copy. An address may belong to somebody older, and is then among the duplicates.
DO $proof$
DECLARE
  wrong text;
BEGIN
  SELECT string_agg(format('%s: %s before, %s after', name, before, after), '; ') INTO wrong
  FROM (
    SELECT count(*) AS users, count(nullif(email, '')) AS email, count(display_name) AS display_name, count(position) AS position,
      count(role) AS role, count(phone_number) AS phone_number, count(time_zone) AS time_zone,
      count(nullif(access_token, '')) AS access_token, count(nullif(refresh_token, '')) AS refresh_token,
      count(nullif(token_expiration_date, '')) AS token_expiration_date, count(nullif(client_id, '')) AS client_id,
      count(nullif(client_secret, '')) AS client_secret, count(nullif(auth_code, '')) AS auth_code,
      count(nullif(granted_scopes, 'null')) AS granted_scopes, count(nullif(gmail_history_id, '')) AS gmail_history_id,
      count(nullif(access_token_2, '')) AS access_token_2, count(nullif(refresh_token_2, '')) AS refresh_token_2,
      count(nullif(token_expiration_date_2, '')) AS token_expiration_date_2, count(nullif(client_id_2, '')) AS client_id_2,
      count(nullif(client_secret_2, '')) AS client_secret_2, count(nullif(auth_code_2, '')) AS auth_code_2,
      count(nullif(granted_scopes_2, 'null')) AS granted_scopes_2, count(nullif(calendar_id, '')) AS calendar_id,
      count(nullif(calendar_sync_token, '')) AS calendar_sync_token, count(nullif(telegram_id, '')) AS telegram_id,
      count(nullif(telegram_username, '')) AS telegram_username, count(nullif(telegram_chat_id, '')) AS telegram_chat_id,
      count(nullif(telegram_signup_token, '')) AS telegram_signup_token, count(nullif(signal_source_uuid, '')) AS signal_source_uuid,
      count(nullif(signal_number, '')) AS signal_number, count(signal_device) AS signal_device
    FROM dev.users_old
  ) AS o, (
    SELECT count(*) AS users, count(email) AS email, count(display_name) AS display_name, count(position) AS position,
      count(role) AS role, count(phone_number) AS phone_number, count(time_zone) AS time_zone
    FROM dev.users
  ) AS n, (
    SELECT count(*) AS emails FROM dev.users_duplicate_emails
  ) AS d, (
    SELECT count(gmail.access_token) AS access_token, count(gmail.refresh_token) AS refresh_token,
      count(coalesce(gmail.token_expires_at::text, gmail.metadata ->> 'token_expiration_date')) AS token_expiration_date,
      count(gmail.client_id) AS client_id, count(gmail.client_secret) AS client_secret, count(gmail.auth_code) AS auth_code,
      count(coalesce(gmail.granted_scopes, gmail.metadata -> 'granted_scopes')) AS granted_scopes,
      count(gmail.metadata -> 'history_id') AS gmail_history_id,
      count(cal.access_token) AS access_token_2, count(cal.refresh_token) AS refresh_token_2,
      count(coalesce(cal.token_expires_at::text, cal.metadata ->> 'token_expiration_date')) AS token_expiration_date_2,
      count(cal.client_id) AS client_id_2, count(cal.client_secret) AS client_secret_2, count(cal.auth_code) AS auth_code_2,
      count(coalesce(cal.granted_scopes, cal.metadata -> 'granted_scopes')) AS granted_scopes_2,
      count(cal.metadata -> 'calendar_id') AS calendar_id, count(cal.metadata -> 'sync_token') AS calendar_sync_token,
      count(tg.external_user_id) AS telegram_id, count(tg.external_username) AS telegram_username,
      count(tg.credentials -> 'chat_id') AS telegram_chat_id, count(tg.credentials -> 'signup_token') AS telegram_signup_token,
      count(sig.external_user_id) AS signal_source_uuid, count(sig.external_username) AS signal_number,
      count(sig.metadata -> 'device') AS signal_device
    FROM dev.users_old AS u
    -- Of several accounts of one service, which an earlier attempt may have left, the primary one.
    LEFT JOIN LATERAL (SELECT * FROM dev.user_integrations AS ui WHERE ui.user_id = u.id AND ui.service_id = 'gmail'
      ORDER BY created_at, id LIMIT 1) AS gmail ON true
    LEFT JOIN LATERAL (SELECT * FROM dev.user_integrations AS ui WHERE ui.user_id = u.id AND ui.service_id = 'google_calendar'
      ORDER BY created_at, id LIMIT 1) AS cal ON true
    LEFT JOIN LATERAL (SELECT * FROM dev.user_integrations AS ui WHERE ui.user_id = u.id AND ui.service_id = 'telegram'
      ORDER BY created_at, id LIMIT 1) AS tg ON true
    LEFT JOIN LATERAL (SELECT * FROM dev.user_integrations AS ui WHERE ui.user_id = u.id AND ui.service_id = 'signal'
      ORDER BY created_at, id LIMIT 1) AS sig ON true
  ) AS i, LATERAL (VALUES
    ('users', o.users, n.users), ('email', o.email, n.email + d.emails), ('display_name', o.display_name, n.display_name),
    ('position', o.position, n.position), ('role', o.role, n.role), ('phone_number', o.phone_number, n.phone_number),
    ('time_zone', o.time_zone, n.time_zone), ('access_token', o.access_token, i.access_token),
    ('refresh_token', o.refresh_token, i.refresh_token),
    ('token_expiration_date', o.token_expiration_date, i.token_expiration_date), ('client_id', o.client_id, i.client_id),
    ('client_secret', o.client_secret, i.client_secret), ('auth_code', o.auth_code, i.auth_code),
    ('granted_scopes', o.granted_scopes, i.granted_scopes), ('gmail_history_id', o.gmail_history_id, i.gmail_history_id),
    ('access_token_2', o.access_token_2, i.access_token_2), ('refresh_token_2', o.refresh_token_2, i.refresh_token_2),
    ('token_expiration_date_2', o.token_expiration_date_2, i.token_expiration_date_2),
    ('client_id_2', o.client_id_2, i.client_id_2), ('client_secret_2', o.client_secret_2, i.client_secret_2),
    ('auth_code_2', o.auth_code_2, i.auth_code_2), ('granted_scopes_2', o.granted_scopes_2, i.granted_scopes_2),
    ('calendar_id', o.calendar_id, i.calendar_id), ('calendar_sync_token', o.calendar_sync_token, i.calendar_sync_token),
    ('telegram_id', o.telegram_id, i.telegram_id), ('telegram_username', o.telegram_username, i.telegram_username),
    ('telegram_chat_id', o.telegram_chat_id, i.telegram_chat_id),
    ('telegram_signup_token', o.telegram_signup_token, i.telegram_signup_token),
    ('signal_source_uuid', o.signal_source_uuid, i.signal_source_uuid), ('signal_number', o.signal_number, i.signal_number),
    ('signal_device', o.signal_device, i.signal_device)
  ) AS columns (name, before, after)
  WHERE before <> after;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'values lost or made up: %', wrong;
  END IF;
END
$proof$;
