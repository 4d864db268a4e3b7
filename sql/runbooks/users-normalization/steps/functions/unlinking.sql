-- Disconnecting services: the integrations are switched off and keep what they hold. Each gives how many were switched
-- off; none is no error, an unknown user or service is.

-- Without an external id all accounts of the service.
CREATE FUNCTION dev.unlink_service_from_user(user_id text, service_id text, external_user_id text DEFAULT NULL) RETURNS integer
  LANGUAGE plpgsql SET search_path = ''
  AS $$
DECLARE
  switched_off integer;
BEGIN
  LOCK TABLE dev.user_integrations IN ROW EXCLUSIVE MODE;
  IF NOT EXISTS (SELECT FROM dev.users AS u WHERE u.id = unlink_service_from_user.user_id) THEN
    RAISE EXCEPTION 'user % does not exist', coalesce(unlink_service_from_user.user_id, 'null') USING ERRCODE = 'no_data_found';
  END IF;
  IF NOT EXISTS (SELECT FROM dev.services AS s WHERE s.id = unlink_service_from_user.service_id) THEN
    RAISE EXCEPTION 'service % does not exist', coalesce(unlink_service_from_user.service_id, 'null') USING ERRCODE = 'no_data_found';
  END IF;
  UPDATE dev.user_integrations AS ui SET is_active = false
  WHERE ui.user_id = unlink_service_from_user.user_id AND ui.service_id = unlink_service_from_user.service_id AND ui.is_active
    AND (unlink_service_from_user.external_user_id IS NULL OR ui.external_user_id = unlink_service_from_user.external_user_id);
  GET DIAGNOSTICS switched_off = ROW_COUNT;
  RETURN switched_off;
END;
$$;

CREATE FUNCTION dev.unlink_gmail_from_user(user_id text, external_user_id text DEFAULT NULL) RETURNS integer
  LANGUAGE sql SET search_path = ''
  AS $$ SELECT dev.unlink_service_from_user(unlink_gmail_from_user.user_id, 'gmail', unlink_gmail_from_user.external_user_id) $$;

CREATE FUNCTION dev.unlink_calendar_from_user(user_id text, external_user_id text DEFAULT NULL) RETURNS integer
  LANGUAGE sql SET search_path = ''
  AS $$
  SELECT dev.unlink_service_from_user(
    unlink_calendar_from_user.user_id, 'google_calendar', unlink_calendar_from_user.external_user_id)
$$;

CREATE FUNCTION dev.unlink_telegram_from_user(user_id text, external_user_id text DEFAULT NULL) RETURNS integer
  LANGUAGE sql SET search_path = ''
  AS $$ SELECT dev.unlink_service_from_user(unlink_telegram_from_user.user_id, 'telegram', unlink_telegram_from_user.external_user_id) $$;

CREATE FUNCTION dev.unlink_whatsapp_from_user(user_id text, external_user_id text DEFAULT NULL) RETURNS integer
  LANGUAGE sql SET search_path = ''
  AS $$ SELECT dev.unlink_service_from_user(unlink_whatsapp_from_user.user_id, 'whatsapp', unlink_whatsapp_from_user.external_user_id) $$;

CREATE FUNCTION dev.unlink_signal_from_user(user_id text, external_user_id text DEFAULT NULL) RETURNS integer
  LANGUAGE sql SET search_path = ''
  AS $$ SELECT dev.unlink_service_from_user(unlink_signal_from_user.user_id, 'signal', unlink_signal_from_user.external_user_id) $$;

-- All accounts of these services, or of every service.
CREATE FUNCTION dev.bulk_unlink_services_from_user(user_id text, service_ids text[] DEFAULT NULL) RETURNS integer
  LANGUAGE plpgsql SET search_path = ''
  AS $$
DECLARE
  one text;
  switched_off integer := 0;
BEGIN
  FOR one IN
    SELECT DISTINCT s.id FROM dev.services AS s WHERE bulk_unlink_services_from_user.service_ids IS NULL
    UNION
    SELECT wanted.id FROM unnest(bulk_unlink_services_from_user.service_ids) AS wanted (id)
  LOOP
    switched_off := switched_off + dev.unlink_service_from_user(bulk_unlink_services_from_user.user_id, one);
  END LOOP;
  RETURN switched_off;
END;
$$;

COMMENT ON FUNCTION dev.unlink_service_from_user(text, text, text) IS 'Disconnects one account of a service, or all';
COMMENT ON FUNCTION dev.unlink_gmail_from_user(text, text) IS 'Disconnects Gmail';
COMMENT ON FUNCTION dev.unlink_calendar_from_user(text, text) IS 'Disconnects Google Calendar';
COMMENT ON FUNCTION dev.unlink_telegram_from_user(text, text) IS 'Disconnects Telegram';
COMMENT ON FUNCTION dev.unlink_whatsapp_from_user(text, text) IS 'Disconnects WhatsApp';
COMMENT ON FUNCTION dev.unlink_signal_from_user(text, text) IS 'Disconnects Signal';
COMMENT ON FUNCTION dev.bulk_unlink_services_from_user(text, text[]) IS 'Disconnects several services, or all';
