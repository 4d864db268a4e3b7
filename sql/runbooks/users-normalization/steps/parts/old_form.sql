-- Dates of expiry are text and not always a date. Without a zone they are in UTC; what is no date of the calendar in ISO
-- form is none here, as it was none for the workflows.
CREATE FUNCTION dev.users_old_expiry(value text) RETURNS timestamptz
  LANGUAGE plpgsql STABLE SET search_path = ''
  AS $$
BEGIN
  IF btrim(value) ~ '^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?$' THEN
    RETURN btrim(value)::timestamp AT TIME ZONE 'UTC';
  ELSIF btrim(value) ~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)$' THEN
    RETURN btrim(value)::timestamptz;
  END IF;
  RETURN NULL;
EXCEPTION WHEN datetime_field_overflow OR invalid_datetime_format OR invalid_time_zone_displacement_value THEN
  RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION dev.users_old_expiry(text) FROM PUBLIC;

-- Scopes as a list: Google sends them as one text with spaces between.
CREATE FUNCTION dev.users_old_scopes(value jsonb) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = ''
  AS $$
  SELECT CASE jsonb_typeof(value)
    WHEN 'array' THEN value
    WHEN 'string' THEN to_jsonb(array_remove(string_to_array(value #>> '{}', ' '), '')) END
$$;
REVOKE ALL ON FUNCTION dev.users_old_scopes(jsonb) FROM PUBLIC;

-- The profile of everybody. Of several accounts with one address the oldest keeps it, because an address is unique from
-- now on; an empty address is none.
CREATE VIEW dev.users_old_profile AS
SELECT id, created_at, CASE WHEN id = email_kept_by THEN email_was END AS email, display_name, position, role, phone_number, time_zone,
  email_was, email_kept_by
FROM (
  SELECT u.*, nullif(u.email, '') AS email_was,
    CASE WHEN u.email <> '' THEN first_value(u.id) OVER (PARTITION BY u.email ORDER BY u.created_at, u.id) END AS email_kept_by
  FROM dev.users_old AS u
) AS u;

-- What everybody has connected, or has begun to: one row for each service of which any column is filled. Active is what
-- works or can be made to work by a refresh. When it was connected is known of Telegram and Signal only; of the others it
-- is not earlier than the account. An expiry that is no date and scopes that are no list are kept in metadata, the scopes
-- outside of jsonb_strip_nulls, which looks into them.
CREATE VIEW dev.users_old_integrations AS
SELECT u.id AS user_id, i.*
FROM dev.users_old AS u
-- OFFSET 0 has each date read once, not wherever it is named.
CROSS JOIN LATERAL (
  SELECT dev.users_old_expiry(u.token_expiration_date) AS gmail, dev.users_old_expiry(u.token_expiration_date_2) AS calendar OFFSET 0
) AS expiry
CROSS JOIN LATERAL (
  SELECT 'gmail' AS service_id,
    nullif(u.access_token, '') IS NOT NULL OR nullif(u.refresh_token, '') IS NOT NULL AS is_active,
    'Primary Gmail' AS display_label,
    nullif(u.access_token, '') AS access_token,
    nullif(u.refresh_token, '') AS refresh_token,
    expiry.gmail AS token_expires_at,
    u.refresh_expired,
    nullif(u.client_id, '') AS client_id,
    nullif(u.client_secret, '') AS client_secret,
    nullif(u.auth_code, '') AS auth_code,
    dev.users_old_scopes(u.granted_scopes) AS granted_scopes,
    coalesce(nullif(u.gmail_address, ''), nullif(u.email, '')) AS external_user_id,
    NULL::text AS external_username,
    '{}'::jsonb AS credentials,
    jsonb_strip_nulls(jsonb_build_object(
      'history_id', nullif(u.gmail_history_id, ''),
      'token_expiration_date', CASE WHEN expiry.gmail IS NULL THEN nullif(u.token_expiration_date, '') END))
      || CASE WHEN jsonb_typeof(u.granted_scopes) NOT IN ('array', 'string', 'null')
        THEN jsonb_build_object('granted_scopes', u.granted_scopes) ELSE '{}' END AS metadata,
    u.created_at
  WHERE coalesce(u.access_token, u.refresh_token, u.token_expiration_date, u.client_id, u.client_secret, u.auth_code,
    u.granted_scopes::text, u.gmail_address, u.gmail_history_id) IS NOT NULL OR u.refresh_expired
  UNION ALL
  SELECT 'google_calendar',
    nullif(u.access_token_2, '') IS NOT NULL OR nullif(u.refresh_token_2, '') IS NOT NULL,
    'Primary Calendar',
    nullif(u.access_token_2, ''),
    nullif(u.refresh_token_2, ''),
    expiry.calendar,
    u.refresh_expired_2,
    nullif(u.client_id_2, ''),
    nullif(u.client_secret_2, ''),
    nullif(u.auth_code_2, ''),
    dev.users_old_scopes(u.granted_scopes_2),
    nullif(u.email, ''),
    NULL,
    '{}',
    jsonb_strip_nulls(jsonb_build_object(
      'calendar_id', nullif(u.calendar_id, ''),
      'sync_token', nullif(u.calendar_sync_token, ''),
      'token_expiration_date', CASE WHEN expiry.calendar IS NULL THEN nullif(u.token_expiration_date_2, '') END))
      || CASE WHEN jsonb_typeof(u.granted_scopes_2) NOT IN ('array', 'string', 'null')
        THEN jsonb_build_object('granted_scopes', u.granted_scopes_2) ELSE '{}' END,
    u.created_at
  WHERE coalesce(u.access_token_2, u.refresh_token_2, u.token_expiration_date_2, u.client_id_2, u.client_secret_2, u.auth_code_2,
    u.granted_scopes_2::text, u.calendar_id, u.calendar_sync_token) IS NOT NULL OR u.refresh_expired_2
  UNION ALL
  SELECT 'telegram', nullif(u.telegram_id, '') IS NOT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    nullif(u.telegram_id, ''),
    nullif(u.telegram_username, ''),
    jsonb_strip_nulls(jsonb_build_object(
      'chat_id', nullif(u.telegram_chat_id, ''), 'signup_token', nullif(u.telegram_signup_token, ''))),
    '{}',
    coalesce(u.telegram_linked_at, u.created_at)
  WHERE coalesce(u.telegram_id, u.telegram_username, u.telegram_chat_id, u.telegram_signup_token, u.telegram_linked_at::text) IS NOT NULL
  UNION ALL
  SELECT 'signal', nullif(u.signal_source_uuid, '') IS NOT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    nullif(u.signal_source_uuid, ''),
    nullif(u.signal_number, ''),
    '{}',
    jsonb_strip_nulls(jsonb_build_object('device', u.signal_device)),
    coalesce(u.signal_linked_at, u.created_at)
  WHERE coalesce(u.signal_source_uuid, u.signal_number, u.signal_device::text, u.signal_linked_at::text) IS NOT NULL
) AS i;

COMMENT ON VIEW dev.users_old_profile IS 'How 003 reads the profile in users_old. Goes with users_old';
COMMENT ON VIEW dev.users_old_integrations IS 'How 003 reads the integrations in users_old. Goes with users_old';
