-- Looking after integrations.

-- Null for an unknown user.
CREATE FUNCTION dev.get_user_integration_stats(user_id text) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = '' SET timezone = 'UTC'
  AS $$
  WITH linked AS (
    SELECT ui.*, s.type, s.type <> 'messaging' AS expires
    FROM dev.user_integrations AS ui JOIN dev.services AS s ON s.id = ui.service_id
    WHERE ui.user_id = get_user_integration_stats.user_id
  ), counted AS (
    SELECT jsonb_build_object(
      'total_integrations', count(*),
      'active_integrations', count(*) FILTER (WHERE l.is_active),
      'inactive_integrations', count(*) FILTER (WHERE NOT l.is_active),
      'valid_tokens', count(*) FILTER (WHERE l.is_active AND l.access_token IS NOT NULL AND (l.token_expires_at > now() OR NOT l.expires)),
      'expired_tokens', count(*) FILTER (
        WHERE l.is_active AND l.access_token IS NOT NULL AND l.expires AND coalesce(l.token_expires_at <= now(), true)),
      'refresh_expired', count(*) FILTER (WHERE l.is_active AND l.refresh_expired),
      'first_connected_at', min(l.created_at),
      'last_updated_at', max(l.updated_at)) AS numbers
    FROM linked AS l
  )
  SELECT jsonb_build_object('user_id', u.id) || counted.numbers || jsonb_build_object(
    'by_service', (SELECT coalesce(jsonb_object_agg(n.service_id, n.active), '{}') FROM (
      SELECT l.service_id, count(*) AS active FROM linked AS l WHERE l.is_active GROUP BY l.service_id) AS n),
    'by_type', (SELECT coalesce(jsonb_object_agg(n.type, n.active), '{}') FROM (
      SELECT l.type, count(*) AS active FROM linked AS l WHERE l.is_active GROUP BY l.type) AS n))
  FROM dev.users AS u CROSS JOIN counted
  WHERE u.id = get_user_integration_stats.user_id
$$;

-- Integrations that do not work, or soon will not, with what is wrong. An access token that has expired is no problem as
-- long as it can be refreshed; an integration that somebody has disconnected is none either.
CREATE FUNCTION dev.find_incomplete_integrations(service_id text DEFAULT NULL)
  RETURNS TABLE (user_id text, email text, integration_id uuid, service_name text, is_active boolean, issues text[])
  LANGUAGE plpgsql STABLE SET search_path = ''
  AS $$
#variable_conflict use_column
BEGIN
  IF find_incomplete_integrations.service_id IS NOT NULL
     AND NOT EXISTS (SELECT FROM dev.services AS s WHERE s.id = find_incomplete_integrations.service_id) THEN
    RAISE EXCEPTION 'service % does not exist', find_incomplete_integrations.service_id USING ERRCODE = 'no_data_found';
  END IF;
  RETURN QUERY
  SELECT judged.user_id, u.email, judged.id, judged.name, judged.is_active, judged.found
  FROM (
    SELECT ui.*, s.name, array_remove(ARRAY[
      CASE WHEN NOT ui.is_active AND (ui.external_user_id IS NULL OR oauth AND ui.access_token IS NULL AND ui.refresh_token IS NULL)
        THEN 'never finished' END,
      CASE WHEN ui.is_active AND NOT s.is_active THEN 'service not available' END,
      CASE WHEN ui.is_active AND ui.external_user_id IS NULL THEN 'no external user id' END,
      CASE WHEN ui.is_active AND oauth AND ui.access_token IS NULL THEN 'no access token' END,
      CASE WHEN ui.is_active AND oauth AND ui.refresh_token IS NULL THEN 'no refresh token' END,
      CASE WHEN ui.is_active AND oauth AND ui.access_token IS NOT NULL AND ui.token_expires_at IS NULL THEN 'no expiry date' END,
      CASE WHEN ui.is_active AND oauth AND ui.refresh_expired THEN 'refresh token expired' END,
      CASE WHEN ui.is_active AND oauth AND ui.token_expires_at <= now() AND (ui.refresh_token IS NULL OR ui.refresh_expired)
        THEN 'access token expired and cannot be refreshed' END], NULL) AS found
    FROM dev.user_integrations AS ui
    JOIN dev.services AS s ON s.id = ui.service_id
    CROSS JOIN LATERAL (SELECT s.type <> 'messaging' AS oauth) AS kind
    WHERE find_incomplete_integrations.service_id IS NULL OR ui.service_id = find_incomplete_integrations.service_id
  ) AS judged
  JOIN dev.users AS u ON u.id = judged.user_id
  WHERE cardinality(judged.found) > 0
  ORDER BY judged.user_id, judged.name, judged.id;
END;
$$;

-- Deletes the integrations whose user or service is gone, and names them. The foreign keys allow none; a load with
-- triggers switched off does. It runs as its owner, because row security that hid a user would make an orphan of what
-- belongs to somebody.
CREATE FUNCTION dev.cleanup_orphaned_integrations()
  RETURNS TABLE (integration_id uuid, user_id text, service_id text, reason text)
  LANGUAGE sql SECURITY DEFINER SET search_path = ''
  AS $$
  WITH orphaned AS (
    SELECT ui.id, CASE WHEN u.id IS NULL THEN 'no such user' ELSE 'no such service' END AS reason
    FROM dev.user_integrations AS ui
    LEFT JOIN dev.users AS u ON u.id = ui.user_id
    LEFT JOIN dev.services AS s ON s.id = ui.service_id
    WHERE u.id IS NULL OR s.id IS NULL
  )
  DELETE FROM dev.user_integrations AS ui USING orphaned AS o
  WHERE ui.id = o.id
  RETURNING ui.id, ui.user_id, ui.service_id, o.reason
$$;

COMMENT ON FUNCTION dev.get_user_integration_stats(text) IS 'Numbers about a user''s integrations; by_service and by_type count active ones';
COMMENT ON FUNCTION dev.find_incomplete_integrations(text) IS 'Integrations that do not work, of one service or all, with what is wrong';
COMMENT ON FUNCTION dev.cleanup_orphaned_integrations() IS 'Deletes integrations whose user or service is gone, and names them';
