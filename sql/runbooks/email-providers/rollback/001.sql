-- Takes 001 back: the tables for email providers.
BEGIN;

-- The same order as in every step (see steps/002).
LOCK TABLE dripiq_app.email_provider_tokens, dripiq_app.email_provider_configs,
  dripiq_app.email_provider_migration_log, dripiq_app.tenants IN ACCESS EXCLUSIVE MODE;

\ir parts/001.sql

COMMIT;
