-- What a user has connected, without secrets.

CREATE FUNCTION dev.get_user_integrations(user_id text)
  RETURNS TABLE (integration_id uuid, service_name text, service_type text, is_active boolean, external_user_id text)
  LANGUAGE sql STABLE SET search_path = ''
  AS $$
  SELECT ui.id, s.name, s.type, ui.is_active, ui.external_user_id
  FROM dev.user_integrations AS ui
  JOIN dev.services AS s ON s.id = ui.service_id
  WHERE ui.user_id = get_user_integrations.user_id
  ORDER BY s.type, s.name, ui.created_at, ui.id
$$;

-- Of several accounts the earliest is the primary one, here and wherever one has to be chosen.
CREATE FUNCTION dev.get_telegram_id(user_id text) RETURNS text
  LANGUAGE sql STABLE SET search_path = ''
  AS $$
  SELECT ui.external_user_id
  FROM dev.user_integrations AS ui
  WHERE ui.user_id = get_telegram_id.user_id AND ui.service_id = 'telegram' AND ui.is_active
  ORDER BY ui.created_at, ui.id
  LIMIT 1
$$;

CREATE FUNCTION dev.user_has_service(user_id text, service_id text) RETURNS boolean
  LANGUAGE sql STABLE SET search_path = ''
  AS $$
  SELECT EXISTS (
    SELECT FROM dev.user_integrations AS ui
    WHERE ui.user_id = user_has_service.user_id AND ui.service_id = user_has_service.service_id AND ui.is_active)
$$;

COMMENT ON FUNCTION dev.get_user_integrations(text) IS 'All integrations of a user, connected or not';
COMMENT ON FUNCTION dev.get_telegram_id(text) IS 'The user''s Telegram id, null without one';
COMMENT ON FUNCTION dev.user_has_service(text, text) IS 'Whether the user has an active integration with this service';
