-- The whole way back in one transaction, of the parts of 004.sql to 001.sql.
BEGIN;

-- All at once, in the same order as in every step (see steps/002).
LOCK TABLE dripiq_app.email_sender_identities, dripiq_app.email_provider_tokens, dripiq_app.email_provider_configs,
  dripiq_app.email_provider_config_history, dripiq_app.email_provider_migration_log, dripiq_app.tenants IN ACCESS EXCLUSIVE MODE;

\ir parts/004.sql
\ir parts/003.sql
\ir parts/002.sql
\ir parts/001.sql

COMMIT;
