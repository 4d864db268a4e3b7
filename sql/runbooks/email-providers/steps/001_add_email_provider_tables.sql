-- 001: the tables for email providers: configurations, OAuth tokens, and a log of what this migration does.
BEGIN;

-- Both foreign keys to tenants need this lock; it lets everybody read, and sign in, but no tenant be made meanwhile.
LOCK TABLE dripiq_app.tenants IN SHARE ROW EXCLUSIVE MODE;

-- Without the guide's IF NOT EXISTS: a table of that name that somebody made otherwise would pass for this one.
-- The names of the constraints are those that schema.ts gives or that the database would choose by itself.
CREATE TABLE dripiq_app.email_provider_configs (
  id text CONSTRAINT email_provider_configs_pkey PRIMARY KEY DEFAULT generate_cuid(),
  tenant_id text NOT NULL,
  type text NOT NULL,
  name text NOT NULL,
  config jsonb NOT NULL,
  encrypted_credentials text,
  is_default boolean NOT NULL DEFAULT false,
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamp NOT NULL DEFAULT now(),
  updated_at timestamp NOT NULL DEFAULT now(),
  -- What the guide asks for in words: versions, soft delete, rotation of credentials. Nothing here must be given, so
  -- the application may write as schema.ts has it.
  version integer NOT NULL DEFAULT 1,
  deleted_at timestamp,
  encryption_key_id text,
  credentials_changed_at timestamp,
  CONSTRAINT email_provider_configs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES dripiq_app.tenants (id) ON DELETE CASCADE,
  CONSTRAINT email_provider_configs_type_check CHECK (type IN ('sendgrid', 'smtp', 'microsoft_graph', 'google_workspace')),
  -- NOT NULL lets the JSON value null in, and a list.
  CONSTRAINT email_provider_configs_config_check CHECK (jsonb_typeof(config) = 'object'),
  CONSTRAINT email_provider_configs_deleted_check CHECK (deleted_at IS NULL OR NOT (is_default OR is_active)),
  CONSTRAINT tenant_provider_name_unique UNIQUE (tenant_id, name),
  -- The target of a key that holds a sender and its configuration to one tenant.
  CONSTRAINT email_provider_configs_tenant_id_id_key UNIQUE (tenant_id, id),
  CONSTRAINT email_provider_configs_tenant_id_excl EXCLUDE (tenant_id WITH =) WHERE (is_default = true)
);

CREATE TABLE dripiq_app.email_provider_tokens (
  id text CONSTRAINT email_provider_tokens_pkey PRIMARY KEY DEFAULT generate_cuid(),
  config_id text NOT NULL,
  encrypted_access_token text,
  encrypted_refresh_token text,
  token_type text DEFAULT 'Bearer',
  expires_at timestamp,
  scopes text[],
  created_at timestamp NOT NULL DEFAULT now(),
  updated_at timestamp NOT NULL DEFAULT now(),
  encryption_key_id text,
  CONSTRAINT email_provider_tokens_config_id_fkey FOREIGN KEY (config_id)
    REFERENCES dripiq_app.email_provider_configs (id) ON DELETE CASCADE
);

CREATE INDEX email_provider_configs_tenant_id_idx ON dripiq_app.email_provider_configs (tenant_id);
CREATE INDEX email_provider_configs_tenant_id_type_idx ON dripiq_app.email_provider_configs (tenant_id, type);
CREATE INDEX email_provider_configs_tenant_id_is_active_idx ON dripiq_app.email_provider_configs (tenant_id, is_active) WHERE is_active = true;
CREATE INDEX email_provider_configs_tenant_id_is_default_idx ON dripiq_app.email_provider_configs (tenant_id, is_default) WHERE is_default = true;
CREATE INDEX email_provider_tokens_config_id_idx ON dripiq_app.email_provider_tokens (config_id);
CREATE INDEX email_provider_tokens_expires_at_idx ON dripiq_app.email_provider_tokens (expires_at);

-- What the migration did, row by row. Senders and configurations are named and not referred to: the log outlives them,
-- and goes with their tenant. original_md5 is the sum of a sender's row as it was before it was touched.
CREATE TABLE dripiq_app.email_provider_migration_log (
  id text CONSTRAINT email_provider_migration_log_pkey PRIMARY KEY DEFAULT generate_cuid(),
  step text NOT NULL,
  action text NOT NULL,
  tenant_id text,
  config_id text,
  sender_id text,
  original_md5 text,
  details jsonb,
  done_at timestamp DEFAULT now(),
  CONSTRAINT email_provider_migration_log_action_check CHECK (action IN ('altered', 'created', 'reused', 'linked')),
  CONSTRAINT email_provider_migration_log_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES dripiq_app.tenants (id) ON DELETE CASCADE
);
CREATE INDEX email_provider_migration_log_tenant_id_idx ON dripiq_app.email_provider_migration_log (tenant_id);
CREATE INDEX email_provider_migration_log_config_id_idx ON dripiq_app.email_provider_migration_log (config_id);
CREATE INDEX email_provider_migration_log_sender_id_idx ON dripiq_app.email_provider_migration_log (sender_id);

-- From the first moment on; until 002 gives rights, these tables are the owner's alone.
ALTER TABLE dripiq_app.email_provider_configs ENABLE ROW LEVEL SECURITY;
ALTER TABLE dripiq_app.email_provider_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE dripiq_app.email_provider_migration_log ENABLE ROW LEVEL SECURITY;

COMMENT ON TABLE dripiq_app.email_provider_configs IS 'Email provider configurations for tenants';
COMMENT ON COLUMN dripiq_app.email_provider_configs.type IS 'sendgrid, smtp, microsoft_graph or google_workspace';
COMMENT ON COLUMN dripiq_app.email_provider_configs.config IS 'Provider-specific configuration (non-sensitive)';
COMMENT ON COLUMN dripiq_app.email_provider_configs.encrypted_credentials IS 'Encrypted sensitive credentials';
COMMENT ON COLUMN dripiq_app.email_provider_configs.is_default IS 'At most one for each tenant';
COMMENT ON COLUMN dripiq_app.email_provider_configs.version IS 'Counts the changes, see email_provider_config_history';
COMMENT ON COLUMN dripiq_app.email_provider_configs.deleted_at IS 'Soft delete, UTC; credentials and tokens are gone by then';
COMMENT ON COLUMN dripiq_app.email_provider_configs.encryption_key_id IS 'Name of the key that encrypted, never the key';
COMMENT ON COLUMN dripiq_app.email_provider_configs.credentials_changed_at IS 'When the credentials were last stored, UTC';
COMMENT ON TABLE dripiq_app.email_provider_tokens IS 'OAuth tokens for email providers';
COMMENT ON COLUMN dripiq_app.email_provider_tokens.encrypted_access_token IS 'Encrypted OAuth access token';
COMMENT ON COLUMN dripiq_app.email_provider_tokens.encrypted_refresh_token IS 'Encrypted OAuth refresh token';
COMMENT ON COLUMN dripiq_app.email_provider_tokens.expires_at IS 'Of the access token, UTC';
COMMENT ON COLUMN dripiq_app.email_provider_tokens.encryption_key_id IS 'Name of the key that encrypted, never the key';
COMMENT ON CONSTRAINT email_provider_configs_tenant_id_excl ON dripiq_app.email_provider_configs IS 'One default for each tenant';
COMMENT ON COLUMN dripiq_app.email_provider_migration_log.done_at IS 'UTC; null for what was altered, which is as old as its step';
COMMENT ON TABLE dripiq_app.email_provider_migration_log IS 'What the migration to email providers did, row by row';

-- What an earlier way back put aside comes home, with its ids and as it was encrypted, where its tenant is still there.
DO $kept$
DECLARE
  configs bigint;
  tokens bigint;
BEGIN
  IF to_regclass('dripiq_app.email_provider_kept') IS NULL THEN
    RETURN;
  END IF;
  INSERT INTO dripiq_app.email_provider_configs
  SELECT (jsonb_populate_record(NULL::dripiq_app.email_provider_configs, k.kept)).*
  FROM dripiq_app.email_provider_kept AS k
  WHERE k.source = 'email_provider_configs' AND EXISTS (SELECT FROM dripiq_app.tenants AS t WHERE t.id = k.kept ->> 'tenant_id');
  GET DIAGNOSTICS configs = ROW_COUNT;
  INSERT INTO dripiq_app.email_provider_tokens
  SELECT (jsonb_populate_record(NULL::dripiq_app.email_provider_tokens, k.kept)).*
  FROM dripiq_app.email_provider_kept AS k
  WHERE k.source = 'email_provider_tokens'
    AND EXISTS (SELECT FROM dripiq_app.email_provider_configs AS c WHERE c.id = k.kept ->> 'config_id');
  GET DIAGNOSTICS tokens = ROW_COUNT;
  DELETE FROM dripiq_app.email_provider_kept WHERE source IN ('email_provider_configs', 'email_provider_tokens');
  RAISE NOTICE '% configurations and % tokens of an earlier try are back', configs, tokens;
END
$kept$;

COMMIT;
