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
