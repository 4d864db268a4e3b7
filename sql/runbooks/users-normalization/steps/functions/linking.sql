-- Connecting services. Errors say what is wrong and have a code of their own: no_data_found for an unknown user or
-- service, object_not_in_prerequisite_state for a service that is switched off, invalid_parameter_value for the rest.

-- Links an account or renews it; gives the integration's id. Without an external id an account of Google is the primary
-- one that the user has, or else the one with the user's address, so that signing in again makes no second account. What
-- is not given stays as it is, but for the expiry, which belongs to its token. The table is locked, as an INSERT locks it,
-- before users is read: the steps and the ways back take the two in this order.
CREATE FUNCTION dev.link_service_to_user(
    user_id text, service_id text, external_user_id text DEFAULT NULL, external_username text DEFAULT NULL,
    display_label text DEFAULT NULL, access_token text DEFAULT NULL, refresh_token text DEFAULT NULL,
    token_expires_at timestamptz DEFAULT NULL, client_id text DEFAULT NULL, client_secret text DEFAULT NULL,
    granted_scopes jsonb DEFAULT NULL, auth_code text DEFAULT NULL, credentials jsonb DEFAULT NULL, metadata jsonb DEFAULT NULL)
  RETURNS uuid
  LANGUAGE plpgsql SET search_path = ''
  AS $$
#variable_conflict use_column
DECLARE
  service dev.services;
  who_email text;
  account text := nullif(btrim(link_service_to_user.external_user_id), '');
  token text := nullif(link_service_to_user.access_token, '');
  refresh text := nullif(link_service_to_user.refresh_token, '');
  code text := nullif(link_service_to_user.auth_code, '');
  linked uuid;
BEGIN
  LOCK TABLE dev.user_integrations IN ROW EXCLUSIVE MODE;
  SELECT u.email INTO who_email FROM dev.users AS u WHERE u.id = link_service_to_user.user_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'user % does not exist', coalesce(link_service_to_user.user_id, 'null') USING ERRCODE = 'no_data_found';
  END IF;
  SELECT s.* INTO service FROM dev.services AS s WHERE s.id = link_service_to_user.service_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'service % does not exist', coalesce(link_service_to_user.service_id, 'null') USING ERRCODE = 'no_data_found';
  END IF;
  IF NOT service.is_active THEN
    RAISE EXCEPTION 'service % is not available', service.id USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  IF jsonb_typeof(link_service_to_user.granted_scopes) <> 'array' THEN
    RAISE EXCEPTION 'granted_scopes must be a JSON array' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF service.type = 'messaging' AND account IS NULL THEN
    RAISE EXCEPTION '% needs an external user id', service.name USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF service.type <> 'messaging' AND token IS NULL AND refresh IS NULL AND code IS NULL THEN
    RAISE EXCEPTION '% needs an access token, a refresh token or an authorization code', service.name
      USING ERRCODE = 'invalid_parameter_value';
  END IF;

  IF account IS NULL THEN
    SELECT ui.external_user_id INTO account FROM dev.user_integrations AS ui
    WHERE ui.user_id = link_service_to_user.user_id AND ui.service_id = service.id
    ORDER BY ui.is_active DESC, ui.created_at, ui.id LIMIT 1;
    IF NOT FOUND AND service.provider = 'google' THEN
      account := who_email;
    END IF;
  ELSIF NOT EXISTS (
    SELECT FROM dev.user_integrations AS ui
    WHERE ui.user_id = link_service_to_user.user_id AND ui.service_id = service.id AND ui.external_user_id = account)
  THEN
    -- Asked for and not finished so far: now it is known which account it is.
    UPDATE dev.user_integrations AS ui SET external_user_id = account
    WHERE ui.user_id = link_service_to_user.user_id AND ui.service_id = service.id AND ui.external_user_id IS NULL;
  END IF;

  UPDATE dev.user_integrations AS ui
  SET is_active = true,
    external_username = coalesce(link_service_to_user.external_username, ui.external_username),
    display_label = coalesce(link_service_to_user.display_label, ui.display_label),
    access_token = coalesce(token, ui.access_token),
    refresh_token = coalesce(refresh, ui.refresh_token),
    token_expires_at = CASE WHEN token IS NULL THEN coalesce(link_service_to_user.token_expires_at, ui.token_expires_at)
      ELSE link_service_to_user.token_expires_at END,
    refresh_expired = CASE WHEN refresh IS NULL THEN ui.refresh_expired ELSE false END,
    client_id = coalesce(link_service_to_user.client_id, ui.client_id),
    client_secret = coalesce(link_service_to_user.client_secret, ui.client_secret),
    granted_scopes = coalesce(link_service_to_user.granted_scopes, ui.granted_scopes),
    auth_code = coalesce(code, ui.auth_code),
    credentials = ui.credentials || coalesce(link_service_to_user.credentials, '{}'),
    metadata = ui.metadata || coalesce(link_service_to_user.metadata, '{}')
  WHERE ui.user_id = link_service_to_user.user_id AND ui.service_id = service.id
    AND ui.external_user_id IS NOT DISTINCT FROM account
  RETURNING ui.id INTO linked;
  IF FOUND THEN
    RETURN linked;
  END IF;

  -- Two sessions that link the same account at once: the second one renews what the first one made.
  INSERT INTO dev.user_integrations AS ui (
    user_id, service_id, external_user_id, external_username, display_label, access_token, refresh_token, token_expires_at,
    refresh_expired, client_id, client_secret, granted_scopes, auth_code, credentials, metadata)
  VALUES (
    link_service_to_user.user_id, service.id, account, link_service_to_user.external_username,
    link_service_to_user.display_label, token, refresh, link_service_to_user.token_expires_at,
    CASE WHEN service.type <> 'messaging' THEN false END, link_service_to_user.client_id, link_service_to_user.client_secret,
    link_service_to_user.granted_scopes, code, coalesce(link_service_to_user.credentials, '{}'),
    coalesce(link_service_to_user.metadata, '{}'))
  ON CONFLICT (user_id, service_id, external_user_id) DO UPDATE
  SET is_active = true, access_token = coalesce(excluded.access_token, ui.access_token),
    refresh_token = coalesce(excluded.refresh_token, ui.refresh_token),
    token_expires_at = CASE WHEN excluded.access_token IS NULL THEN ui.token_expires_at ELSE excluded.token_expires_at END,
    display_label = coalesce(excluded.display_label, ui.display_label)
  RETURNING ui.id INTO linked;
  RETURN linked;
END;
$$;

CREATE FUNCTION dev.link_gmail_to_user(
    user_id text, access_token text, refresh_token text DEFAULT NULL, token_expires_at timestamptz DEFAULT NULL,
    client_id text DEFAULT NULL, client_secret text DEFAULT NULL, granted_scopes jsonb DEFAULT NULL,
    external_user_id text DEFAULT NULL, display_label text DEFAULT NULL)
  RETURNS uuid
  LANGUAGE sql SET search_path = ''
  AS $$
  SELECT dev.link_service_to_user(
    link_gmail_to_user.user_id, 'gmail', link_gmail_to_user.external_user_id, NULL, link_gmail_to_user.display_label,
    link_gmail_to_user.access_token, link_gmail_to_user.refresh_token, link_gmail_to_user.token_expires_at,
    link_gmail_to_user.client_id, link_gmail_to_user.client_secret, link_gmail_to_user.granted_scopes)
$$;

CREATE FUNCTION dev.link_calendar_to_user(
    user_id text, access_token text, refresh_token text DEFAULT NULL, token_expires_at timestamptz DEFAULT NULL,
    client_id text DEFAULT NULL, client_secret text DEFAULT NULL, granted_scopes jsonb DEFAULT NULL,
    external_user_id text DEFAULT NULL, display_label text DEFAULT NULL)
  RETURNS uuid
  LANGUAGE sql SET search_path = ''
  AS $$
  SELECT dev.link_service_to_user(
    link_calendar_to_user.user_id, 'google_calendar', link_calendar_to_user.external_user_id, NULL,
    link_calendar_to_user.display_label, link_calendar_to_user.access_token, link_calendar_to_user.refresh_token,
    link_calendar_to_user.token_expires_at, link_calendar_to_user.client_id, link_calendar_to_user.client_secret,
    link_calendar_to_user.granted_scopes)
$$;

CREATE FUNCTION dev.link_telegram_to_user(
    user_id text, external_user_id text, external_username text DEFAULT NULL, display_label text DEFAULT NULL)
  RETURNS uuid
  LANGUAGE sql SET search_path = ''
  AS $$
  SELECT dev.link_service_to_user(link_telegram_to_user.user_id, 'telegram', link_telegram_to_user.external_user_id,
    link_telegram_to_user.external_username, link_telegram_to_user.display_label)
$$;

CREATE FUNCTION dev.link_whatsapp_to_user(
    user_id text, external_user_id text, external_username text DEFAULT NULL, display_label text DEFAULT NULL)
  RETURNS uuid
  LANGUAGE sql SET search_path = ''
  AS $$
  SELECT dev.link_service_to_user(link_whatsapp_to_user.user_id, 'whatsapp', link_whatsapp_to_user.external_user_id,
    link_whatsapp_to_user.external_username, link_whatsapp_to_user.display_label)
$$;

CREATE FUNCTION dev.link_signal_to_user(user_id text, external_user_id text, display_label text DEFAULT NULL) RETURNS uuid
  LANGUAGE sql SET search_path = ''
  AS $$
  SELECT dev.link_service_to_user(link_signal_to_user.user_id, 'signal', link_signal_to_user.external_user_id, NULL,
    link_signal_to_user.display_label)
$$;

-- One element, one integration: an element that cannot be linked is reported and does not take the others with it.
CREATE FUNCTION dev.bulk_link_services_to_user(user_id text, services_json jsonb) RETURNS jsonb
  LANGUAGE plpgsql SET search_path = ''
  AS $$
DECLARE
  element jsonb;
  linked uuid;
  results jsonb := '[]';
BEGIN
  IF jsonb_typeof(services_json) IS DISTINCT FROM 'array' THEN
    RAISE EXCEPTION 'services_json must be a JSON array' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  LOCK TABLE dev.user_integrations IN ROW EXCLUSIVE MODE;
  IF NOT EXISTS (SELECT FROM dev.users AS u WHERE u.id = bulk_link_services_to_user.user_id) THEN
    RAISE EXCEPTION 'user % does not exist', coalesce(bulk_link_services_to_user.user_id, 'null') USING ERRCODE = 'no_data_found';
  END IF;
  FOR element IN SELECT e.value FROM pg_catalog.jsonb_array_elements(services_json) AS e LOOP
    BEGIN
      IF jsonb_typeof(element) <> 'object' THEN
        RAISE EXCEPTION 'an element must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
      END IF;
      linked := dev.link_service_to_user(
        bulk_link_services_to_user.user_id, element ->> 'service_id', element ->> 'external_user_id',
        element ->> 'external_username', element ->> 'display_label', element ->> 'access_token', element ->> 'refresh_token',
        (element ->> 'token_expires_at')::timestamptz, element ->> 'client_id', element ->> 'client_secret',
        nullif(element -> 'granted_scopes', 'null'), element ->> 'auth_code', nullif(element -> 'credentials', 'null'),
        nullif(element -> 'metadata', 'null'));
      results := results || jsonb_build_object('service_id', element -> 'service_id', 'success', true, 'integration_id', linked);
    EXCEPTION
      WHEN no_data_found OR object_not_in_prerequisite_state OR data_exception OR integrity_constraint_violation THEN
        results := results || jsonb_build_object('service_id', element -> 'service_id', 'success', false, 'error', SQLERRM);
    END;
  END LOOP;
  RETURN (
    SELECT jsonb_build_object('user_id', bulk_link_services_to_user.user_id, 'requested', count(*),
      'linked', count(*) FILTER (WHERE (r.value ->> 'success')::boolean),
      'failed', count(*) FILTER (WHERE NOT (r.value ->> 'success')::boolean), 'results', results)
    FROM pg_catalog.jsonb_array_elements(results) AS r);
END;
$$;

COMMENT ON FUNCTION dev.link_service_to_user(text, text, text, text, text, text, text, timestamptz, text, text, jsonb, text, jsonb, jsonb)
  IS 'Links an account of any service to a user, or renews it';
COMMENT ON FUNCTION dev.link_gmail_to_user(text, text, text, timestamptz, text, text, jsonb, text, text) IS 'Links Gmail';
COMMENT ON FUNCTION dev.link_calendar_to_user(text, text, text, timestamptz, text, text, jsonb, text, text) IS 'Links Google Calendar';
COMMENT ON FUNCTION dev.link_telegram_to_user(text, text, text, text) IS 'Links Telegram';
COMMENT ON FUNCTION dev.link_whatsapp_to_user(text, text, text, text) IS 'Links WhatsApp';
COMMENT ON FUNCTION dev.link_signal_to_user(text, text, text) IS 'Links Signal';
COMMENT ON FUNCTION dev.bulk_link_services_to_user(text, jsonb) IS 'Links several services, and reports on each';
