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
