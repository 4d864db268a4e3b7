-- The whole way back in one transaction: 004 to 001, each as its own script does it.
BEGIN;

-- All at once, in the same order as in every step (see steps/002).
LOCK TABLE dripiq_app.email_sender_identities, dripiq_app.email_provider_tokens, dripiq_app.email_provider_configs,
  dripiq_app.email_provider_config_history, dripiq_app.email_provider_migration_log, dripiq_app.tenants IN ACCESS EXCLUSIVE MODE;

-- Begin of 004.
-- With it goes what linked the old application's senders.
DROP TRIGGER email_sender_identities_link_sendgrid ON dripiq_app.email_sender_identities;
DROP FUNCTION dripiq_app.link_sendgrid_sender();

-- The configurations that this migration made and nobody has touched since. One that got credentials, a token, another
-- name, or a sender without a number, which the next try would not know as SendGrid's, is somebody's work: it stays, with
-- its senders. The foreign key empties the links of the others; the trigger would stamp updated_at on each.
ALTER TABLE dripiq_app.email_sender_identities DISABLE TRIGGER update_email_sender_identities_updated_at;
WITH gone AS (
  DELETE FROM dripiq_app.email_provider_configs AS c
  WHERE c.type = 'sendgrid' AND c.config = '{"legacy": true}' AND c.version = 1 AND c.encrypted_credentials IS NULL
    AND NOT EXISTS (SELECT FROM dripiq_app.email_provider_tokens AS t WHERE t.config_id = c.id)
    AND NOT EXISTS (SELECT FROM dripiq_app.email_sender_identities AS s WHERE s.provider_config_id = c.id AND s.sendgrid_sender_id IS NULL)
  RETURNING c.id
)
DELETE FROM dripiq_app.email_provider_config_history AS h USING gone WHERE h.config_id = gone.id;
-- That they are removed has been told in a line of its own by now.
DELETE FROM dripiq_app.email_provider_config_history AS h
USING dripiq_app.email_provider_migration_log AS l
WHERE l.step = '004' AND l.config_id = h.config_id
  AND NOT EXISTS (SELECT FROM dripiq_app.email_provider_configs AS c WHERE c.id = h.config_id);
-- What PostgreSQL 14 checks at the end is checked now: a table with checks to come cannot be altered.
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE dripiq_app.email_sender_identities ENABLE TRIGGER update_email_sender_identities_updated_at;

DELETE FROM dripiq_app.email_provider_migration_log WHERE step = '004';
-- End of 004.

-- Begin of 003.
-- Nothing that the new application wrote is thrown away: links, validation data and senders of other providers are put
-- aside in a table of their own, which is made only if there are any. The old application cannot send for a sender
-- without a number at SendGrid: the sender stays, with the empty number and the status of one that waits for it.
DO $keep$
DECLARE
  was_not_null boolean := (SELECT (details -> 'not_null')::boolean FROM dripiq_app.email_provider_migration_log WHERE step = '003');
  was_named text := (SELECT details ->> 'constraint' FROM dripiq_app.email_provider_migration_log WHERE step = '003');
  was_described text := (SELECT details ->> 'comment' FROM dripiq_app.email_provider_migration_log WHERE step = '003');
  kept bigint;
BEGIN
  ALTER TABLE dripiq_app.email_sender_identities DISABLE TRIGGER update_email_sender_identities_updated_at;
  IF EXISTS (SELECT FROM dripiq_app.email_sender_identities
             WHERE provider_config_id IS NOT NULL OR provider_validation_data IS NOT NULL OR (was_not_null AND sendgrid_sender_id IS NULL)) THEN
    IF to_regclass('dripiq_app.email_provider_kept') IS NULL THEN
      CREATE TABLE dripiq_app.email_provider_kept (source text NOT NULL, kept jsonb NOT NULL);
      ALTER TABLE dripiq_app.email_provider_kept ENABLE ROW LEVEL SECURITY;
      REVOKE ALL ON dripiq_app.email_provider_kept FROM PUBLIC;
      COMMENT ON TABLE dripiq_app.email_provider_kept IS 'What was written while email providers were there; the next try takes it back';
    END IF;
    INSERT INTO dripiq_app.email_provider_kept (source, kept)
    SELECT 'email_sender_identities', jsonb_build_object('id', s.id, 'provider_config_id', s.provider_config_id,
      'provider_validation_data', s.provider_validation_data, 'sendgrid_sender_id', s.sendgrid_sender_id, 'validation_status', s.validation_status)
    FROM dripiq_app.email_sender_identities AS s
    WHERE s.provider_config_id IS NOT NULL OR s.provider_validation_data IS NOT NULL OR (was_not_null AND s.sendgrid_sender_id IS NULL);
    GET DIAGNOSTICS kept = ROW_COUNT;
    RAISE NOTICE '% senders have something of a provider, kept in dripiq_app.email_provider_kept', kept;
  END IF;
  IF was_not_null THEN
    UPDATE dripiq_app.email_sender_identities SET sendgrid_sender_id = '', validation_status = 'pending' WHERE sendgrid_sender_id IS NULL;
    -- Since PostgreSQL 18 NOT NULL is a constraint with a name; it gets the one it had.
    IF was_named IS NULL THEN
      ALTER TABLE dripiq_app.email_sender_identities ALTER COLUMN sendgrid_sender_id SET NOT NULL;
    ELSE
      EXECUTE format('ALTER TABLE dripiq_app.email_sender_identities ADD CONSTRAINT %I NOT NULL sendgrid_sender_id', was_named);
    END IF;
  END IF;
  EXECUTE format('COMMENT ON COLUMN dripiq_app.email_sender_identities.sendgrid_sender_id IS %L', was_described);
  ALTER TABLE dripiq_app.email_sender_identities ENABLE TRIGGER update_email_sender_identities_updated_at;
END
$keep$;

DROP FUNCTION dripiq_app.delete_email_provider(text);
DROP FUNCTION dripiq_app.email_provider_usage();

-- The guide drops the tables first and fails on this key. With the columns go keys, indexes, comments and grants.
ALTER TABLE dripiq_app.email_sender_identities DROP CONSTRAINT email_sender_identities_tenant_provider_fkey;
ALTER TABLE dripiq_app.email_sender_identities DROP COLUMN provider_config_id;
ALTER TABLE dripiq_app.email_sender_identities DROP COLUMN provider_validation_data;

DELETE FROM dripiq_app.email_provider_migration_log WHERE step = '003';
-- End of 003.

-- Begin of 002.
-- The history says who changed which credentials when: an audit's matter, so it is put aside, too.
DO $keep$
DECLARE
  kept bigint;
BEGIN
  IF EXISTS (SELECT FROM dripiq_app.email_provider_config_history) THEN
    IF to_regclass('dripiq_app.email_provider_kept') IS NULL THEN
      CREATE TABLE dripiq_app.email_provider_kept (source text NOT NULL, kept jsonb NOT NULL);
      ALTER TABLE dripiq_app.email_provider_kept ENABLE ROW LEVEL SECURITY;
      REVOKE ALL ON dripiq_app.email_provider_kept FROM PUBLIC;
      COMMENT ON TABLE dripiq_app.email_provider_kept IS 'What was written while email providers were there; the next try takes it back';
    END IF;
    INSERT INTO dripiq_app.email_provider_kept (source, kept)
    SELECT 'email_provider_config_history', to_jsonb(h) FROM dripiq_app.email_provider_config_history AS h;
    GET DIAGNOSTICS kept = ROW_COUNT;
    RAISE NOTICE '% lines of history kept in dripiq_app.email_provider_kept', kept;
  END IF;
END
$keep$;

DROP TRIGGER email_provider_configs_guard ON dripiq_app.email_provider_configs;
DROP TRIGGER email_provider_configs_record ON dripiq_app.email_provider_configs;
DROP TRIGGER email_provider_tokens_guard ON dripiq_app.email_provider_tokens;
DROP TRIGGER email_provider_tokens_record ON dripiq_app.email_provider_tokens;
DROP FUNCTION dripiq_app.email_provider_configs_guard();
DROP FUNCTION dripiq_app.email_provider_configs_record();
DROP FUNCTION dripiq_app.email_provider_tokens_guard();
DROP FUNCTION dripiq_app.email_provider_tokens_record();
DROP FUNCTION dripiq_app.set_default_email_provider(text);
DROP FUNCTION dripiq_app.email_secrets_under_key(text);
DROP FUNCTION dripiq_app.secret_in(jsonb);
DROP FUNCTION dripiq_app.is_plain_secret(text);

DROP POLICY "Tenants manage their own email providers" ON dripiq_app.email_provider_configs;
DROP POLICY "Support sees email providers" ON dripiq_app.email_provider_configs;
DROP POLICY "Tenants manage their own tokens" ON dripiq_app.email_provider_tokens;
DROP POLICY "Support sees tokens" ON dripiq_app.email_provider_tokens;
DROP POLICY "Support sees the log" ON dripiq_app.email_provider_migration_log;
REVOKE ALL ON dripiq_app.email_provider_configs, dripiq_app.email_provider_tokens, dripiq_app.email_provider_migration_log
  FROM dripiq_web, dripiq_service, dripiq_support;
DROP TABLE dripiq_app.email_provider_config_history;
DROP TABLE dripiq_app.email_provider_templates;
-- End of 002.

-- Begin of 001.
-- Configurations and tokens that somebody has made: kept as they are, encrypted as they are, for nobody but the owner.
DO $keep$
DECLARE
  configs bigint;
  tokens bigint;
BEGIN
  IF EXISTS (SELECT FROM dripiq_app.email_provider_configs) THEN
    IF to_regclass('dripiq_app.email_provider_kept') IS NULL THEN
      CREATE TABLE dripiq_app.email_provider_kept (source text NOT NULL, kept jsonb NOT NULL);
      ALTER TABLE dripiq_app.email_provider_kept ENABLE ROW LEVEL SECURITY;
      REVOKE ALL ON dripiq_app.email_provider_kept FROM PUBLIC;
      COMMENT ON TABLE dripiq_app.email_provider_kept IS 'What was written while email providers were there; the next try takes it back';
    END IF;
    INSERT INTO dripiq_app.email_provider_kept (source, kept)
    SELECT 'email_provider_configs', to_jsonb(c) FROM dripiq_app.email_provider_configs AS c;
    GET DIAGNOSTICS configs = ROW_COUNT;
    INSERT INTO dripiq_app.email_provider_kept (source, kept)
    SELECT 'email_provider_tokens', to_jsonb(t) FROM dripiq_app.email_provider_tokens AS t;
    GET DIAGNOSTICS tokens = ROW_COUNT;
    RAISE NOTICE '% configurations and % tokens kept in dripiq_app.email_provider_kept', configs, tokens;
  END IF;
END
$keep$;

-- Without the guide's IF EXISTS: a table that is not there means that something else is not as it should be.
DROP TABLE dripiq_app.email_provider_tokens;
DROP TABLE dripiq_app.email_provider_configs;
DROP TABLE dripiq_app.email_provider_migration_log;
-- End of 001.

COMMIT;
