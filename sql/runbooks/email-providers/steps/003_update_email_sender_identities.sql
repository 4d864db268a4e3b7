-- 003: sender identities refer to a configuration of their tenant.
BEGIN;

-- Reading a sender waits as well, because ALTER TABLE needs it. Senders come first, as in every statement of the
-- application: whoever writes a sender asks for its configuration afterwards.
LOCK TABLE dripiq_app.email_sender_identities IN ACCESS EXCLUSIVE MODE;
LOCK TABLE dripiq_app.email_provider_configs IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE dripiq_app.email_sender_identities ADD COLUMN provider_config_id text;
ALTER TABLE dripiq_app.email_sender_identities ADD COLUMN provider_validation_data jsonb;

CREATE INDEX email_sender_identities_provider_config_id_idx ON dripiq_app.email_sender_identities (provider_config_id);
CREATE INDEX email_sender_identities_tenant_provider_idx ON dripiq_app.email_sender_identities (tenant_id, provider_config_id);

ALTER TABLE dripiq_app.email_sender_identities ADD CONSTRAINT email_sender_identities_provider_config_id_fkey
  FOREIGN KEY (provider_config_id) REFERENCES dripiq_app.email_provider_configs (id) ON DELETE SET NULL;

-- The guide's key lets a sender refer to a configuration of another tenant: a foreign key does not ask row security. When
-- a configuration goes, one column is emptied and not the tenant. PostgreSQL 14 cannot say so; there the check waits for
-- the end of the transaction, when the other key has emptied the column.
DO $isolation$
BEGIN
  EXECUTE 'ALTER TABLE dripiq_app.email_sender_identities ADD CONSTRAINT email_sender_identities_tenant_provider_fkey
    FOREIGN KEY (tenant_id, provider_config_id) REFERENCES dripiq_app.email_provider_configs (tenant_id, id) '
    || CASE WHEN current_setting('server_version_num')::integer >= 150000 THEN 'ON DELETE SET NULL (provider_config_id)'
       ELSE 'DEFERRABLE INITIALLY DEFERRED' END;
END
$isolation$;

-- Whether the column could be null before, what the constraint was called (PostgreSQL 18 gives it a name) and what the
-- column's comment said is written down for the way back: it is not the same in every database. The row is the same each
-- time: going back to here and coming again ends with it.
INSERT INTO dripiq_app.email_provider_migration_log (id, step, action, details, done_at)
SELECT 'sendgrid_sender_id', '003', 'altered', jsonb_build_object('column', 'sendgrid_sender_id', 'not_null', a.attnotnull,
    'constraint', (SELECT c.conname FROM pg_constraint AS c WHERE c.conrelid = a.attrelid AND c.contype = 'n' AND c.conkey = ARRAY[a.attnum]),
    'comment', col_description(a.attrelid, a.attnum)),
  NULL
FROM pg_attribute AS a
WHERE a.attrelid = 'dripiq_app.email_sender_identities'::regclass AND a.attname = 'sendgrid_sender_id';
ALTER TABLE dripiq_app.email_sender_identities ALTER COLUMN sendgrid_sender_id DROP NOT NULL;

COMMENT ON COLUMN dripiq_app.email_sender_identities.sendgrid_sender_id IS 'Number at SendGrid, empty until confirmed; null for another provider''s sender';
COMMENT ON COLUMN dripiq_app.email_sender_identities.provider_config_id IS 'Reference to email provider configuration';
COMMENT ON COLUMN dripiq_app.email_sender_identities.provider_validation_data IS 'Provider-specific validation data (identityId, verification URLs, etc.)';
COMMENT ON CONSTRAINT email_sender_identities_tenant_provider_fkey ON dripiq_app.email_sender_identities IS 'A configuration of the same tenant';

-- UPDATE is granted by column in this database: without these nobody could choose a provider.
GRANT UPDATE (provider_config_id, provider_validation_data) ON dripiq_app.email_sender_identities TO dripiq_web;

-- Soft delete: secrets and tokens are destroyed, senders let go, as ON DELETE does it, and the name is free again.
CREATE FUNCTION dripiq_app.delete_email_provider(config_id text) RETURNS boolean
  LANGUAGE plpgsql SET search_path = ''
  AS $$
BEGIN
  UPDATE dripiq_app.email_provider_configs AS c
  SET deleted_at = now() AT TIME ZONE 'UTC', is_default = false, is_active = false, encrypted_credentials = NULL,
    encryption_key_id = NULL, name = c.name || ' (deleted ' || c.id || ')'
  WHERE c.id = delete_email_provider.config_id AND c.deleted_at IS NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  DELETE FROM dripiq_app.email_provider_tokens AS t WHERE t.config_id = delete_email_provider.config_id;
  UPDATE dripiq_app.email_sender_identities AS s SET provider_config_id = NULL
  WHERE s.provider_config_id = delete_email_provider.config_id;
  RETURN true;
END;
$$;
COMMENT ON FUNCTION dripiq_app.delete_email_provider(text) IS 'Soft delete; false if there is no such configuration';

-- What each configuration is used for. A function and not a view: before PostgreSQL 15 a view asks as its owner.
CREATE FUNCTION dripiq_app.email_provider_usage() RETURNS TABLE (tenant_id text, config_id text, type text, name text,
    senders bigint, verified_senders bigint, tokens bigint, expired_tokens bigint)
  LANGUAGE sql STABLE SET search_path = ''
  AS $$
  SELECT c.tenant_id, c.id, c.type, c.name, coalesce(s.senders, 0), coalesce(s.verified, 0), coalesce(t.tokens, 0), coalesce(t.expired, 0)
  FROM dripiq_app.email_provider_configs AS c
  LEFT JOIN (
    SELECT provider_config_id, count(*) AS senders, count(*) FILTER (WHERE validation_status = 'verified') AS verified
    FROM dripiq_app.email_sender_identities GROUP BY provider_config_id
  ) AS s ON s.provider_config_id = c.id
  LEFT JOIN (
    SELECT config_id, count(*) AS tokens, count(*) FILTER (WHERE expires_at <= now() AT TIME ZONE 'UTC') AS expired
    FROM dripiq_app.email_provider_tokens GROUP BY config_id
  ) AS t ON t.config_id = c.id
  WHERE c.deleted_at IS NULL
$$;
COMMENT ON FUNCTION dripiq_app.email_provider_usage() IS 'Senders and tokens of each configuration that the caller may see';

REVOKE ALL ON FUNCTION dripiq_app.delete_email_provider(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION dripiq_app.email_provider_usage() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dripiq_app.delete_email_provider(text) TO dripiq_web, dripiq_service;
GRANT EXECUTE ON FUNCTION dripiq_app.email_provider_usage() TO dripiq_web, dripiq_service, dripiq_support;

-- What an earlier way back put aside of the senders, where sender and configuration are still there. The empty number
-- that stood in for a null is a null again, unless the old application has filled it. The trigger would stamp updated_at.
DO $kept$
BEGIN
  IF to_regclass('dripiq_app.email_provider_kept') IS NULL THEN
    RETURN;
  END IF;
  ALTER TABLE dripiq_app.email_sender_identities DISABLE TRIGGER update_email_sender_identities_updated_at;
  UPDATE dripiq_app.email_sender_identities AS s
  SET provider_config_id = (SELECT c.id FROM dripiq_app.email_provider_configs AS c
      WHERE c.id = k.kept ->> 'provider_config_id' AND c.tenant_id = s.tenant_id),
    provider_validation_data = nullif(k.kept -> 'provider_validation_data', 'null'),
    sendgrid_sender_id = CASE WHEN s.sendgrid_sender_id = '' AND k.kept -> 'sendgrid_sender_id' = 'null' THEN NULL ELSE s.sendgrid_sender_id END,
    validation_status = CASE WHEN s.sendgrid_sender_id = '' AND k.kept -> 'sendgrid_sender_id' = 'null' AND s.validation_status = 'pending'
      THEN k.kept ->> 'validation_status' ELSE s.validation_status END
  FROM dripiq_app.email_provider_kept AS k
  WHERE k.source = 'email_sender_identities' AND s.id = k.kept ->> 'id';
  -- What PostgreSQL 14 checks at the end is checked now: a table with checks to come cannot be altered.
  SET CONSTRAINTS ALL IMMEDIATE;
  ALTER TABLE dripiq_app.email_sender_identities ENABLE TRIGGER update_email_sender_identities_updated_at;
  DROP TABLE dripiq_app.email_provider_kept;
END
$kept$;

COMMIT;
