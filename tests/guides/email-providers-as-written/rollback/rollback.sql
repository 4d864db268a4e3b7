DROP TABLE IF EXISTS "dripiq_app"."email_provider_tokens";
DROP TABLE IF EXISTS "dripiq_app"."email_provider_configs";

ALTER TABLE "dripiq_app"."email_sender_identities"
DROP COLUMN IF EXISTS "provider_config_id";

ALTER TABLE "dripiq_app"."email_sender_identities"
DROP COLUMN IF EXISTS "provider_validation_data";
