-- Takes 004 back: the default configurations that it made, and the links to them.
BEGIN;

-- The same order as in every step (see steps/002).
LOCK TABLE dripiq_app.email_sender_identities, dripiq_app.email_provider_tokens, dripiq_app.email_provider_configs,
  dripiq_app.email_provider_config_history, dripiq_app.email_provider_migration_log IN ACCESS EXCLUSIVE MODE;

\ir parts/004.sql

COMMIT;
