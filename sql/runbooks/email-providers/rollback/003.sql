-- Takes 003 back: sender identities know SendGrid alone.
BEGIN;

-- The same order as in every step (see steps/002).
LOCK TABLE dripiq_app.email_sender_identities, dripiq_app.email_provider_configs,
  dripiq_app.email_provider_migration_log IN ACCESS EXCLUSIVE MODE;

\ir parts/003.sql

COMMIT;
