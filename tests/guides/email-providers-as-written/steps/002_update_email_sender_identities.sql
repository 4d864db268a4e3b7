ALTER TABLE "dripiq_app"."email_sender_identities"
ADD COLUMN "provider_config_id" text REFERENCES "dripiq_app"."email_provider_configs"("id") ON DELETE SET NULL;

ALTER TABLE "dripiq_app"."email_sender_identities"
ALTER COLUMN "sendgrid_sender_id" DROP NOT NULL;

ALTER TABLE "dripiq_app"."email_sender_identities"
ADD COLUMN "provider_validation_data" jsonb;

CREATE INDEX "email_sender_identities_provider_config_id_idx"
ON "dripiq_app"."email_sender_identities"("provider_config_id");

CREATE INDEX "email_sender_identities_tenant_provider_idx"
ON "dripiq_app"."email_sender_identities"("tenant_id", "provider_config_id");

COMMENT ON COLUMN "dripiq_app"."email_sender_identities"."provider_config_id" IS 'Reference to email provider configuration';
COMMENT ON COLUMN "dripiq_app"."email_sender_identities"."provider_validation_data" IS 'Provider-specific validation data (identityId, verification URLs, etc.)';
