-- The guide has no way back from here, and where it takes this step back the column stays without its NOT NULL.
BEGIN;
ALTER TABLE dripiq_app.email_sender_identities ALTER COLUMN sendgrid_sender_id SET NOT NULL;
ALTER TABLE dripiq_app.email_sender_identities DROP COLUMN provider_config_id;
ALTER TABLE dripiq_app.email_sender_identities DROP COLUMN provider_validation_data;
COMMIT;
