-- Names that the steps are about to give. What an earlier way back put aside (email_provider_kept) is taken back and does
-- not count.
SELECT 'relation' AS kind, relname::text AS name FROM pg_class
WHERE relnamespace = to_regnamespace('dripiq_app') AND relkind IN ('r', 'p', 'v', 'm', 'f', 'i', 'S')
  AND (relname ~ '^email_provider_(configs|tokens|migration_log|config_history|templates)'
    OR relname IN ('tenant_provider_name_unique', 'email_sender_identities_provider_config_id_idx', 'email_sender_identities_tenant_provider_idx'))
UNION ALL
SELECT 'column', attname FROM pg_attribute
WHERE attrelid = to_regclass('dripiq_app.email_sender_identities') AND NOT attisdropped
  AND attname IN ('provider_config_id', 'provider_validation_data')
UNION ALL
SELECT 'function', proname FROM pg_proc
WHERE pronamespace = to_regnamespace('dripiq_app') AND (proname ~ 'email_provider'
  OR proname IN ('is_plain_secret', 'secret_in', 'email_secrets_under_key', 'link_sendgrid_sender'))
