-- The guide has one script for all three steps, so that none leads back from the first alone.
BEGIN;
DROP TABLE dripiq_app.email_provider_tokens;
DROP TABLE dripiq_app.email_provider_configs;
COMMIT;
