-- 004: every tenant that sends by SendGrid gets a default configuration, and its senders refer to it.
BEGIN;

-- The times here are in UTC as the application's are, whatever the operator's session says.
SET LOCAL TimeZone = 'UTC';

-- Writers of senders wait, readers do not; so the comparison below is exact. The same order as in 003.
LOCK TABLE dripiq_app.email_sender_identities IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE dripiq_app.email_provider_configs IN SHARE ROW EXCLUSIVE MODE;

-- One configuration for each tenant with a SendGrid sender. A tenant may have some by now, from an earlier try or because
-- the new application runs somewhere already: then its SendGrid one is taken, a default stays the default, and the name is
-- another one if it is given. The guide's statement would fail on each of these, on the constraint or the index.
WITH has AS MATERIALIZED (
  SELECT tenant_id, bool_or(type = 'sendgrid' AND deleted_at IS NULL) AS sendgrid, bool_or(name = 'SendGrid (Default)') AS name,
    bool_or(is_default) AS one_default
  FROM dripiq_app.email_provider_configs GROUP BY tenant_id
), made AS (
  INSERT INTO dripiq_app.email_provider_configs (tenant_id, type, name, config, is_default, is_active)
  SELECT t.id, 'sendgrid', 'SendGrid (Default)' || CASE WHEN has.name THEN ' ' || generate_cuid() ELSE '' END, '{"legacy": true}',
    has.one_default IS NOT TRUE, true
  FROM dripiq_app.tenants AS t
  LEFT JOIN has ON has.tenant_id = t.id
  WHERE has.sendgrid IS NOT TRUE AND EXISTS (
    SELECT FROM dripiq_app.email_sender_identities AS s
    WHERE s.tenant_id = t.id AND s.sendgrid_sender_id IS NOT NULL AND s.provider_config_id IS NULL)
  RETURNING id, tenant_id
)
INSERT INTO dripiq_app.email_provider_migration_log (step, action, tenant_id, config_id)
SELECT '004', 'created', tenant_id, id FROM made;

ANALYZE dripiq_app.email_provider_configs;

-- Each sender that is about to be linked, to what, and the sum of its row as it is now.
WITH chosen AS (
  SELECT DISTINCT ON (c.tenant_id) c.tenant_id, c.id
  FROM dripiq_app.email_provider_configs AS c
  WHERE c.type = 'sendgrid' AND c.deleted_at IS NULL
  ORDER BY c.tenant_id, c.is_default DESC, c.is_active DESC, c.created_at, c.id
)
INSERT INTO dripiq_app.email_provider_migration_log (step, action, tenant_id, config_id, sender_id, original_md5)
SELECT '004', 'linked', s.tenant_id, chosen.id, s.id, md5((to_jsonb(s) - '{provider_config_id,provider_validation_data}'::text[])::text)
FROM dripiq_app.email_sender_identities AS s
JOIN chosen ON chosen.tenant_id = s.tenant_id
WHERE s.sendgrid_sender_id IS NOT NULL AND s.provider_config_id IS NULL;
-- The planner takes what has just been filled for a few rows; a tenant with very many senders would take the square of
-- their number.
ANALYZE dripiq_app.email_provider_migration_log;

INSERT INTO dripiq_app.email_provider_migration_log (step, action, tenant_id, config_id)
SELECT '004', 'reused', l.tenant_id, l.config_id
FROM dripiq_app.email_provider_migration_log AS l
WHERE l.step = '004' AND l.action = 'linked' AND NOT EXISTS (
  SELECT FROM dripiq_app.email_provider_migration_log AS m
  WHERE m.step = '004' AND m.action = 'created' AND m.config_id = l.config_id)
GROUP BY l.tenant_id, l.config_id;

-- Nobody has changed these senders: the trigger would stamp updated_at, and no way back could tell what it was.
ALTER TABLE dripiq_app.email_sender_identities DISABLE TRIGGER update_email_sender_identities_updated_at;
UPDATE dripiq_app.email_sender_identities AS s
SET provider_config_id = l.config_id
FROM dripiq_app.email_provider_migration_log AS l
WHERE l.step = '004' AND l.action = 'linked' AND l.sender_id = s.id;
-- What PostgreSQL 14 checks at the end is checked now: a table with checks to come cannot be altered.
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE dripiq_app.email_sender_identities ENABLE TRIGGER update_email_sender_identities_updated_at;

-- Still under the lock, so this can be exact as no later look can be.
DO $proof$
DECLARE
  changed bigint;
  loose bigint;
  strangers bigint;
BEGIN
  SELECT count(*) INTO changed
  FROM dripiq_app.email_provider_migration_log AS l
  LEFT JOIN dripiq_app.email_sender_identities AS s ON s.id = l.sender_id
  WHERE l.step = '004' AND l.action = 'linked' AND l.original_md5 IS DISTINCT FROM
    md5((to_jsonb(s) - '{provider_config_id,provider_validation_data}'::text[])::text);
  SELECT count(*) INTO loose
  FROM dripiq_app.email_sender_identities WHERE sendgrid_sender_id IS NOT NULL AND provider_config_id IS NULL;
  SELECT count(*) INTO strangers
  FROM dripiq_app.email_sender_identities AS s JOIN dripiq_app.email_provider_configs AS c ON c.id = s.provider_config_id
  WHERE c.tenant_id <> s.tenant_id;
  IF changed + loose + strangers > 0 THEN
    RAISE EXCEPTION '% senders changed, % without a configuration, % with another tenant''s', changed, loose, strangers;
  END IF;
END
$proof$;

-- The old application runs on until the deploy, and where it is deployed by degrees, beside the new one: what it writes
-- names no configuration. As the owner, because a tenant that never sent before needs one made.
CREATE FUNCTION dripiq_app.link_sendgrid_sender() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
BEGIN
  FOR attempt IN 1..2 LOOP
    SELECT c.id INTO NEW.provider_config_id FROM dripiq_app.email_provider_configs AS c
    WHERE c.tenant_id = NEW.tenant_id AND c.type = 'sendgrid' AND c.deleted_at IS NULL
    ORDER BY c.is_default DESC, c.is_active DESC, c.created_at, c.id LIMIT 1;
    EXIT WHEN FOUND OR attempt = 2;
    -- Somebody else may make it at the same moment: then theirs is found in the second round. The name of something
    -- else is not given twice.
    INSERT INTO dripiq_app.email_provider_configs (tenant_id, type, name, config, is_default, created_at, updated_at)
    SELECT t.id, 'sendgrid', 'SendGrid (Default)' || CASE WHEN EXISTS (
        SELECT FROM dripiq_app.email_provider_configs AS c WHERE c.tenant_id = t.id AND c.name = 'SendGrid (Default)'
          AND (c.type <> 'sendgrid' OR c.deleted_at IS NOT NULL)) THEN ' ' || NEW.id ELSE '' END,
      '{"legacy": true}',
      NOT EXISTS (SELECT FROM dripiq_app.email_provider_configs AS c WHERE c.tenant_id = t.id AND c.is_default),
      now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
    FROM dripiq_app.tenants AS t WHERE t.id = NEW.tenant_id
    ON CONFLICT (tenant_id, name) DO NOTHING;
  END LOOP;
  RETURN NEW;
END;
$$;
REVOKE ALL ON FUNCTION dripiq_app.link_sendgrid_sender() FROM PUBLIC;
COMMENT ON FUNCTION dripiq_app.link_sendgrid_sender() IS 'For what the old application writes; may go with it';
CREATE TRIGGER email_sender_identities_link_sendgrid
  BEFORE INSERT OR UPDATE OF sendgrid_sender_id ON dripiq_app.email_sender_identities
  FOR EACH ROW WHEN (NEW.sendgrid_sender_id IS NOT NULL AND NEW.provider_config_id IS NULL)
  EXECUTE FUNCTION dripiq_app.link_sendgrid_sender();

-- What a look at the catalog cannot show is tried, as the application, and taken back at once by the exception: a sender
-- that the old one writes is linked; a second default, another tenant's configuration and a readable secret are refused.
-- If one of these is otherwise, nothing of 004 is committed.
DO $flow$
DECLARE
  one record;
  linked text;
  refused text[] := '{}';
  tries text[] := ARRAY[
    $try$INSERT INTO dripiq_app.email_provider_configs (tenant_id, type, name, config, is_default)
      VALUES (dripiq_app.current_tenant_id(), 'smtp', 'tried by 004', '{}', true)$try$,
    $try$UPDATE dripiq_app.email_sender_identities SET provider_config_id = current_setting('app.other_config') WHERE id = current_setting('app.sender')$try$,
    $try$INSERT INTO dripiq_app.email_provider_configs (tenant_id, type, name, config, encrypted_credentials)
      VALUES (dripiq_app.current_tenant_id(), 'smtp', 'tried by 004', '{}', '{"password": "tried by 004"}')$try$];
  try text;
BEGIN
  SELECT s.id, s.tenant_id, c.id AS config_id, (
      SELECT o.id FROM dripiq_app.email_provider_configs AS o WHERE o.tenant_id <> s.tenant_id LIMIT 1) AS other_config
    INTO one
  FROM dripiq_app.email_sender_identities AS s
  JOIN dripiq_app.email_provider_configs AS c ON c.id = s.provider_config_id AND c.type = 'sendgrid' AND c.is_default
  WHERE s.sendgrid_sender_id IS NOT NULL
  ORDER BY s.tenant_id, s.id LIMIT 1;
  IF one.other_config IS NULL THEN
    RAISE NOTICE 'no two tenants with a configuration to try row security with';
    RETURN;
  END IF;
  PERFORM set_config('app.tenant_id', one.tenant_id, true), set_config('app.sender', one.id, true),
    set_config('app.other_config', one.other_config, true);
  BEGIN
    -- An UPDATE, because nobody knows here what else a new sender must be given.
    UPDATE dripiq_app.email_sender_identities SET provider_config_id = NULL WHERE id = one.id;
    SET LOCAL ROLE dripiq_web;
    UPDATE dripiq_app.email_sender_identities SET sendgrid_sender_id = sendgrid_sender_id WHERE id = one.id
    RETURNING provider_config_id INTO linked;
    RAISE EXCEPTION USING ERRCODE = 'LS004';
  EXCEPTION WHEN SQLSTATE 'LS004' THEN
    NULL;
  END;
  IF linked IS DISTINCT FROM one.config_id THEN
    RAISE EXCEPTION 'a sender that the old application writes is linked to % instead of %', linked, one.config_id;
  END IF;
  FOREACH try IN ARRAY tries LOOP
    BEGIN
      SET LOCAL ROLE dripiq_web;
      EXECUTE try;
      SET CONSTRAINTS ALL IMMEDIATE;
      RAISE EXCEPTION USING ERRCODE = 'LS004';
    EXCEPTION
      WHEN exclusion_violation OR foreign_key_violation OR check_violation THEN refused := refused || SQLSTATE;
      WHEN SQLSTATE 'LS004' THEN refused := refused || 'nothing'::text;
    END;
  END LOOP;
  IF refused <> ARRAY['23P01', '23503', '23514'] THEN
    RAISE EXCEPTION 'second default, other tenant, readable secret: refused with % instead of 23P01, 23503, 23514', refused;
  END IF;
  PERFORM set_config('app.tenant_id', '', true), set_config('app.sender', '', true), set_config('app.other_config', '', true);
END
$flow$;

ANALYZE dripiq_app.email_sender_identities, dripiq_app.email_provider_configs, dripiq_app.email_provider_migration_log;

COMMIT;
