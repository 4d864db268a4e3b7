BEGIN;

-- The guide only mentions this, as something to do "if needed", and does not do it: the column could be null for good,
-- and nothing would say so. It comes first because it is what can fail: senders that were made since, without a number
-- of the old provider, are for a human to decide on.
--   ERROR:  column "sendgrid_sender_id" of relation "email_sender_identities" contains null values
ALTER TABLE dripiq_app.email_sender_identities ALTER COLUMN sendgrid_sender_id SET NOT NULL;

-- The guide drops the tables first, while the senders' foreign key still points at one of them:
--   ERROR:  cannot drop table dripiq_app.email_provider_configs because other objects depend on it
--   DETAIL:  constraint email_sender_identities_provider_config_id_fkey on table dripiq_app.email_sender_identities
--   depends on table dripiq_app.email_provider_configs
-- With the column go the key, both indexes and the comment.
ALTER TABLE dripiq_app.email_sender_identities DROP COLUMN provider_config_id;
ALTER TABLE dripiq_app.email_sender_identities DROP COLUMN provider_validation_data;

DROP TABLE dripiq_app.email_provider_tokens;
DROP TABLE dripiq_app.email_provider_configs;

COMMIT;
