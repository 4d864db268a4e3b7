-- Tokens. A time is given in UTC and written out in full, because JavaScript takes no offset without minutes.

-- Null when there is no active integration. A token whose expiry is not known counts as expired, as it did in the
-- workflows; one of a messaging service has no expiry at all.
CREATE FUNCTION dev.get_valid_token(user_id text, service_id text) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = '' SET timezone = 'UTC'
  AS $$
  SELECT jsonb_build_object(
    'token', ui.access_token,
    'refresh_token', ui.refresh_token,
    'is_expired', CASE s.type
      WHEN 'messaging' THEN coalesce(ui.token_expires_at <= now(), false)
      ELSE ui.access_token IS NULL OR coalesce(ui.token_expires_at <= now(), true) END,
    'expires_at', ui.token_expires_at,
    'refresh_expired', coalesce(ui.refresh_expired, false),
    'client_id', ui.client_id,
    'client_secret', ui.client_secret,
    'granted_scopes', ui.granted_scopes)
  FROM dev.user_integrations AS ui
  JOIN dev.services AS s ON s.id = ui.service_id
  WHERE ui.user_id = get_valid_token.user_id AND ui.service_id = get_valid_token.service_id AND ui.is_active
  ORDER BY ui.created_at, ui.id
  LIMIT 1
$$;

CREATE FUNCTION dev.get_gmail_token(user_id text) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = ''
  AS $$ SELECT dev.get_valid_token(get_gmail_token.user_id, 'gmail') $$;

CREATE FUNCTION dev.get_calendar_token(user_id text) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = ''
  AS $$ SELECT dev.get_valid_token(get_calendar_token.user_id, 'google_calendar') $$;

CREATE FUNCTION dev.get_telegram_token(user_id text) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = ''
  AS $$ SELECT dev.get_valid_token(get_telegram_token.user_id, 'telegram') $$;

CREATE FUNCTION dev.get_signal_token(user_id text) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = ''
  AS $$ SELECT dev.get_valid_token(get_signal_token.user_id, 'signal') $$;

-- About the same account as get_valid_token; never null.
CREATE FUNCTION dev.has_valid_token(user_id text, service_id text) RETURNS boolean
  LANGUAGE sql STABLE SET search_path = ''
  AS $$
  SELECT coalesce(
    (SELECT t.info ->> 'token' IS NOT NULL AND NOT (t.info ->> 'is_expired')::boolean
     FROM (SELECT dev.get_valid_token(has_valid_token.user_id, has_valid_token.service_id) AS info) AS t),
    false)
$$;

-- Null for an unknown user. An integration has only the keys that it has a value for; the client's secret is not among them.
CREATE FUNCTION dev.get_user_with_integrations(user_id text) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = '' SET timezone = 'UTC'
  AS $$
  WITH linked AS (
    SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'id', ui.id,
        'service_id', ui.service_id,
        'service_name', s.name,
        'service_type', s.type,
        'provider', s.provider,
        'is_active', ui.is_active,
        'display_label', ui.display_label,
        'access_token', ui.access_token,
        'refresh_token', ui.refresh_token,
        'token_expiration_date', ui.token_expires_at,
        'refresh_expired', ui.refresh_expired,
        'client_id', ui.client_id,
        'granted_scopes', ui.granted_scopes,
        'external_user_id', ui.external_user_id)) ORDER BY s.type, s.name, ui.created_at, ui.id), '[]') AS integrations
    FROM dev.user_integrations AS ui
    JOIN dev.services AS s ON s.id = ui.service_id
    WHERE ui.user_id = get_user_with_integrations.user_id
  )
  SELECT jsonb_build_object(
    'id', u.id,
    'email', u.email,
    'display_name', u.display_name,
    'position', u.position,
    'role', u.role,
    'phone_number', u.phone_number,
    'time_zone', u.time_zone,
    'integrations', linked.integrations)
  FROM dev.users AS u CROSS JOIN linked
  WHERE u.id = get_user_with_integrations.user_id
$$;

COMMENT ON FUNCTION dev.get_valid_token(text, text) IS 'Token of the primary account and whether it has expired. Contains secrets';
COMMENT ON FUNCTION dev.get_gmail_token(text) IS 'get_valid_token for Gmail. Contains secrets';
COMMENT ON FUNCTION dev.get_calendar_token(text) IS 'get_valid_token for Google Calendar. Contains secrets';
COMMENT ON FUNCTION dev.get_telegram_token(text) IS 'get_valid_token for Telegram. Contains secrets';
COMMENT ON FUNCTION dev.get_signal_token(text) IS 'get_valid_token for Signal. Contains secrets';
COMMENT ON FUNCTION dev.has_valid_token(text, text) IS 'Whether the primary account is active and has a token that has not expired';
COMMENT ON FUNCTION dev.get_user_with_integrations(text) IS 'Profile and all integrations. Contains secrets';
