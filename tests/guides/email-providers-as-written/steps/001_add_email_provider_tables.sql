CREATE TABLE IF NOT EXISTS "dripiq_app"."email_provider_configs" (
  "id" text PRIMARY KEY DEFAULT generate_cuid(),
  "tenant_id" text NOT NULL REFERENCES "dripiq_app"."tenants"("id") ON DELETE CASCADE,
  "type" text NOT NULL CHECK (type IN ('sendgrid', 'smtp', 'microsoft_graph', 'google_workspace')),
  "name" text NOT NULL,
  "config" jsonb NOT NULL,
  "encrypted_credentials" text,
  "is_default" boolean NOT NULL DEFAULT false,
  "is_active" boolean NOT NULL DEFAULT true,
  "created_at" timestamp NOT NULL DEFAULT NOW(),
  "updated_at" timestamp NOT NULL DEFAULT NOW(),

  UNIQUE("tenant_id", "name"),

  EXCLUDE ("tenant_id" WITH =) WHERE ("is_default" = true)
);

CREATE TABLE IF NOT EXISTS "dripiq_app"."email_provider_tokens" (
  "id" text PRIMARY KEY DEFAULT generate_cuid(),
  "config_id" text NOT NULL REFERENCES "dripiq_app"."email_provider_configs"("id") ON DELETE CASCADE,
  "encrypted_access_token" text,
  "encrypted_refresh_token" text,
  "token_type" text DEFAULT 'Bearer',
  "expires_at" timestamp,
  "scopes" text[],
  "created_at" timestamp NOT NULL DEFAULT NOW(),
  "updated_at" timestamp NOT NULL DEFAULT NOW()
);

CREATE INDEX "email_provider_configs_tenant_id_idx" ON "dripiq_app"."email_provider_configs"("tenant_id");
CREATE INDEX "email_provider_configs_tenant_id_type_idx" ON "dripiq_app"."email_provider_configs"("tenant_id", "type");
CREATE INDEX "email_provider_configs_tenant_id_is_active_idx" ON "dripiq_app"."email_provider_configs"("tenant_id", "is_active") WHERE "is_active" = true;
CREATE INDEX "email_provider_configs_tenant_id_is_default_idx" ON "dripiq_app"."email_provider_configs"("tenant_id", "is_default") WHERE "is_default" = true;

CREATE INDEX "email_provider_tokens_config_id_idx" ON "dripiq_app"."email_provider_tokens"("config_id");
CREATE INDEX "email_provider_tokens_expires_at_idx" ON "dripiq_app"."email_provider_tokens"("expires_at");

COMMENT ON TABLE "dripiq_app"."email_provider_configs" IS 'Email provider configurations for tenants';
COMMENT ON COLUMN "dripiq_app"."email_provider_configs"."config" IS 'Provider-specific configuration (non-sensitive)';
COMMENT ON COLUMN "dripiq_app"."email_provider_configs"."encrypted_credentials" IS 'Encrypted sensitive credentials';

COMMENT ON TABLE "dripiq_app"."email_provider_tokens" IS 'OAuth tokens for email providers';
COMMENT ON COLUMN "dripiq_app"."email_provider_tokens"."encrypted_access_token" IS 'Encrypted OAuth access token';
