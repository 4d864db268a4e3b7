-- What the new application has written goes into the old form; what nobody has touched stays as it was to the byte. The
-- wide table holds one account of each of four services, so the rest is put aside for the next attempt: see the end.
SET LOCAL TimeZone = 'UTC';
ALTER TABLE dev.users_old DISABLE TRIGGER users_clean_email;

-- Profiles: changed, deleted, new. What 003 had made of each is needed for the comparison, before anything changes.
CREATE TEMPORARY TABLE profile_then ON COMMIT DROP AS TABLE dev.users_old_profile;

UPDATE dev.users_old AS o
SET email = CASE WHEN u.email IS DISTINCT FROM p.email THEN u.email ELSE o.email END,
  created_at = u.created_at, display_name = u.display_name, position = u.position, role = u.role,
  phone_number = u.phone_number, time_zone = u.time_zone
FROM dev.users AS u
JOIN profile_then AS p ON p.id = u.id
WHERE o.id = u.id
  AND (u.email, u.created_at, u.display_name, u.position, u.role, u.phone_number, u.time_zone)
    IS DISTINCT FROM (p.email, p.created_at, p.display_name, p.position, p.role, p.phone_number, p.time_zone);

DELETE FROM dev.users_old AS o WHERE NOT EXISTS (SELECT FROM dev.users AS u WHERE u.id = o.id);

INSERT INTO dev.users_old (id, created_at, email, display_name, position, role, phone_number, time_zone)
SELECT u.id, u.created_at, u.email, u.display_name, u.position, u.role, u.phone_number, u.time_zone
FROM dev.users AS u
WHERE NOT EXISTS (SELECT FROM dev.users_old AS o WHERE o.id = u.id);

-- Integrations: t is what the old form says, n the account that takes its place, the primary one among the active ones.
-- Only what differs is written. Gone is what was deleted or disconnected.
CREATE TEMPORARY TABLE integration_then ON COMMIT DROP AS TABLE dev.users_old_integrations;
CREATE TEMPORARY TABLE integration_now ON COMMIT DROP AS
SELECT DISTINCT ON (ui.user_id, ui.service_id) ui.*
FROM dev.user_integrations AS ui
WHERE ui.service_id IN ('gmail', 'google_calendar', 'telegram', 'signal')
ORDER BY ui.user_id, ui.service_id, ui.is_active DESC, ui.created_at, ui.id;
ANALYZE integration_then, integration_now;

CREATE TEMPORARY TABLE changed ON COMMIT DROP AS
SELECT user_id, service_id, CASE WHEN t.is_active IS NOT NULL THEN to_jsonb(t) END AS t, CASE WHEN n.id IS NOT NULL THEN to_jsonb(n) END AS n,
  n.id IS NULL OR NOT n.is_active AS gone
FROM integration_then AS t
FULL JOIN integration_now AS n USING (user_id, service_id)
WHERE (t.is_active IS NOT NULL OR n.is_active)
  AND (t.is_active, t.access_token, t.refresh_token, t.token_expires_at, t.refresh_expired, t.client_id, t.client_secret, t.auth_code,
      t.granted_scopes, t.external_user_id, t.external_username, t.credentials, t.metadata)
    IS DISTINCT FROM (n.is_active, n.access_token, n.refresh_token, n.token_expires_at, n.refresh_expired, n.client_id, n.client_secret,
      n.auth_code, n.granted_scopes, n.external_user_id, n.external_username, n.credentials, n.metadata);
ANALYZE changed;
-- An account that was not finished before and is not finished now may still have got another sign-up token. One that was
-- connected and disconnected meanwhile is gone: with its tokens or its id in the old form it would be connected.
UPDATE changed SET gone = false
WHERE t ->> 'is_active' = 'false' AND n IS NOT NULL AND CASE WHEN service_id IN ('gmail', 'google_calendar')
    THEN coalesce(n ->> 'access_token', n ->> 'refresh_token') ELSE n ->> 'external_user_id' END IS NULL;

UPDATE dev.users_old AS o
SET access_token = CASE WHEN gone THEN NULL WHEN n ->> 'access_token' IS DISTINCT FROM t ->> 'access_token'
    THEN n ->> 'access_token' ELSE o.access_token END,
  refresh_token = CASE WHEN gone THEN NULL WHEN n ->> 'refresh_token' IS DISTINCT FROM t ->> 'refresh_token'
    THEN n ->> 'refresh_token' ELSE o.refresh_token END,
  token_expiration_date = CASE WHEN gone THEN NULL
    WHEN n ->> 'token_expires_at' IS DISTINCT FROM t ->> 'token_expires_at'
    THEN coalesce(n ->> 'token_expires_at', n #>> '{metadata,token_expiration_date}') ELSE o.token_expiration_date END,
  refresh_expired = CASE WHEN gone THEN NULL WHEN n ->> 'refresh_expired' IS DISTINCT FROM t ->> 'refresh_expired'
    THEN (n ->> 'refresh_expired')::boolean ELSE o.refresh_expired END,
  client_id = CASE WHEN gone THEN NULL WHEN n ->> 'client_id' IS DISTINCT FROM t ->> 'client_id'
    THEN n ->> 'client_id' ELSE o.client_id END,
  client_secret = CASE WHEN gone THEN NULL WHEN n ->> 'client_secret' IS DISTINCT FROM t ->> 'client_secret'
    THEN n ->> 'client_secret' ELSE o.client_secret END,
  auth_code = CASE WHEN gone THEN NULL WHEN n ->> 'auth_code' IS DISTINCT FROM t ->> 'auth_code'
    THEN n ->> 'auth_code' ELSE o.auth_code END,
  granted_scopes = CASE WHEN gone THEN NULL WHEN n -> 'granted_scopes' IS DISTINCT FROM t -> 'granted_scopes'
    THEN nullif(n -> 'granted_scopes', 'null') ELSE o.granted_scopes END,
  gmail_address = CASE WHEN gone THEN NULL
    WHEN n ->> 'external_user_id' IS DISTINCT FROM coalesce(nullif(o.gmail_address, ''), nullif(o.email, ''))
    THEN n ->> 'external_user_id' ELSE o.gmail_address END,
  gmail_history_id = CASE WHEN gone THEN NULL WHEN n #>> '{metadata,history_id}' IS DISTINCT FROM t #>> '{metadata,history_id}'
    THEN n #>> '{metadata,history_id}' ELSE o.gmail_history_id END
FROM changed
WHERE service_id = 'gmail' AND user_id = o.id;

UPDATE dev.users_old AS o
SET access_token_2 = CASE WHEN gone THEN NULL WHEN n ->> 'access_token' IS DISTINCT FROM t ->> 'access_token'
    THEN n ->> 'access_token' ELSE o.access_token_2 END,
  refresh_token_2 = CASE WHEN gone THEN NULL WHEN n ->> 'refresh_token' IS DISTINCT FROM t ->> 'refresh_token'
    THEN n ->> 'refresh_token' ELSE o.refresh_token_2 END,
  token_expiration_date_2 = CASE WHEN gone THEN NULL
    WHEN n ->> 'token_expires_at' IS DISTINCT FROM t ->> 'token_expires_at'
    THEN coalesce(n ->> 'token_expires_at', n #>> '{metadata,token_expiration_date}') ELSE o.token_expiration_date_2 END,
  refresh_expired_2 = CASE WHEN gone THEN NULL WHEN n ->> 'refresh_expired' IS DISTINCT FROM t ->> 'refresh_expired'
    THEN (n ->> 'refresh_expired')::boolean ELSE o.refresh_expired_2 END,
  client_id_2 = CASE WHEN gone THEN NULL WHEN n ->> 'client_id' IS DISTINCT FROM t ->> 'client_id'
    THEN n ->> 'client_id' ELSE o.client_id_2 END,
  client_secret_2 = CASE WHEN gone THEN NULL WHEN n ->> 'client_secret' IS DISTINCT FROM t ->> 'client_secret'
    THEN n ->> 'client_secret' ELSE o.client_secret_2 END,
  auth_code_2 = CASE WHEN gone THEN NULL WHEN n ->> 'auth_code' IS DISTINCT FROM t ->> 'auth_code'
    THEN n ->> 'auth_code' ELSE o.auth_code_2 END,
  granted_scopes_2 = CASE WHEN gone THEN NULL WHEN n -> 'granted_scopes' IS DISTINCT FROM t -> 'granted_scopes'
    THEN nullif(n -> 'granted_scopes', 'null') ELSE o.granted_scopes_2 END,
  calendar_id = CASE WHEN gone THEN NULL WHEN n #>> '{metadata,calendar_id}' IS DISTINCT FROM t #>> '{metadata,calendar_id}'
    THEN n #>> '{metadata,calendar_id}' ELSE o.calendar_id END,
  calendar_sync_token = CASE WHEN gone THEN NULL WHEN n #>> '{metadata,sync_token}' IS DISTINCT FROM t #>> '{metadata,sync_token}'
    THEN n #>> '{metadata,sync_token}' ELSE o.calendar_sync_token END
FROM changed
WHERE service_id = 'google_calendar' AND user_id = o.id;

UPDATE dev.users_old AS o
SET telegram_id = CASE WHEN gone THEN NULL WHEN n ->> 'external_user_id' IS DISTINCT FROM t ->> 'external_user_id'
    THEN n ->> 'external_user_id' ELSE o.telegram_id END,
  telegram_username = CASE WHEN gone THEN NULL WHEN n ->> 'external_username' IS DISTINCT FROM t ->> 'external_username'
    THEN n ->> 'external_username' ELSE o.telegram_username END,
  telegram_chat_id = CASE WHEN gone THEN NULL WHEN n #>> '{credentials,chat_id}' IS DISTINCT FROM t #>> '{credentials,chat_id}'
    THEN n #>> '{credentials,chat_id}' ELSE o.telegram_chat_id END,
  telegram_signup_token = CASE WHEN gone THEN NULL
    WHEN n #>> '{credentials,signup_token}' IS DISTINCT FROM t #>> '{credentials,signup_token}'
    THEN n #>> '{credentials,signup_token}' ELSE o.telegram_signup_token END,
  telegram_linked_at = CASE WHEN gone THEN NULL WHEN t IS NULL THEN (n ->> 'created_at')::timestamptz ELSE o.telegram_linked_at END
FROM changed
WHERE service_id = 'telegram' AND user_id = o.id;

UPDATE dev.users_old AS o
SET signal_source_uuid = CASE WHEN gone THEN NULL WHEN n ->> 'external_user_id' IS DISTINCT FROM t ->> 'external_user_id'
    THEN n ->> 'external_user_id' ELSE o.signal_source_uuid END,
  signal_number = CASE WHEN gone THEN NULL WHEN n ->> 'external_username' IS DISTINCT FROM t ->> 'external_username'
    THEN n ->> 'external_username' ELSE o.signal_number END,
  -- A device that is no number is put aside.
  signal_device = CASE WHEN gone THEN NULL WHEN n #>> '{metadata,device}' IS NOT DISTINCT FROM t #>> '{metadata,device}'
    THEN o.signal_device WHEN n #>> '{metadata,device}' ~ '^[0-9]{1,9}$' THEN (n #>> '{metadata,device}')::integer END,
  signal_linked_at = CASE WHEN gone THEN NULL WHEN t IS NULL THEN (n ->> 'created_at')::timestamptz ELSE o.signal_linked_at END
FROM changed
WHERE service_id = 'signal' AND user_id = o.id;

-- Whatever 003 would not make again from what is in the old form now: second accounts, new services, disconnected
-- accounts, labels, metadata of the new application. Row security without a policy lets nobody
-- but the owner read it, whatever default privileges there are; where nothing is put aside there is no table.
DO $kept$
BEGIN
  CREATE TEMPORARY TABLE not_carried ON COMMIT DROP AS
  SELECT ui.*
  FROM dev.user_integrations AS ui
  LEFT JOIN dev.users_old_integrations AS o ON o.user_id = ui.user_id AND o.service_id = ui.service_id
    AND o.external_user_id IS NOT DISTINCT FROM ui.external_user_id
  WHERE o.user_id IS NULL
    OR (o.is_active, coalesce(ui.display_label, o.display_label), o.access_token, o.refresh_token, o.token_expires_at, o.refresh_expired,
        o.client_id, o.client_secret, o.auth_code, o.granted_scopes, o.external_username, o.credentials)
      IS DISTINCT FROM (ui.is_active, o.display_label, ui.access_token, ui.refresh_token, ui.token_expires_at, ui.refresh_expired,
        ui.client_id, ui.client_secret, ui.auth_code, ui.granted_scopes, ui.external_username, ui.credentials)
    OR o.metadata - 'token_expiration_date' IS DISTINCT FROM ui.metadata - 'token_expiration_date';
  IF EXISTS (SELECT FROM pg_temp.not_carried) THEN
    CREATE TABLE dev.user_integrations_kept AS TABLE pg_temp.not_carried;
    ALTER TABLE dev.user_integrations_kept ENABLE ROW LEVEL SECURITY;
    COMMENT ON TABLE dev.user_integrations_kept
      IS 'What the wide users table has no place for; the next attempt takes it up again';
  END IF;
END
$kept$;

ALTER TABLE dev.users_old ENABLE TRIGGER users_clean_email;
