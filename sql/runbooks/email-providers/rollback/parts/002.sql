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
