-- 002: tenant isolation, history, versions, soft delete and rotation for the new tables. The guide asks for these in words.
BEGIN;

-- Every script locks in the same order, which is the application's: a dependent table before the one it refers to.
LOCK TABLE dripiq_app.email_provider_tokens, dripiq_app.email_provider_configs, dripiq_app.email_provider_migration_log
  IN ACCESS EXCLUSIVE MODE;
LOCK TABLE dripiq_app.tenants IN SHARE ROW EXCLUSIVE MODE;

-- Every change of a configuration or a token, without a single secret: of those only that they changed. The
-- configuration is named and not referred to, so that its history outlives it; it goes with the tenant.
CREATE TABLE dripiq_app.email_provider_config_history (
  id text CONSTRAINT email_provider_config_history_pkey PRIMARY KEY DEFAULT generate_cuid(),
  tenant_id text NOT NULL,
  config_id text NOT NULL,
  version integer NOT NULL,
  action text NOT NULL,
  type text NOT NULL,
  name text NOT NULL,
  config jsonb NOT NULL,
  is_default boolean NOT NULL,
  is_active boolean NOT NULL,
  credentials_changed boolean NOT NULL DEFAULT false,
  encryption_key_id text,
  changed_by text NOT NULL DEFAULT session_user,
  changed_for text,
  changed_at timestamp NOT NULL DEFAULT now(),
  CONSTRAINT email_provider_config_history_action_check CHECK (
    action IN ('created', 'updated', 'deleted', 'removed', 'token_stored', 'token_changed', 'token_removed')),
  CONSTRAINT email_provider_config_history_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES dripiq_app.tenants (id) ON DELETE CASCADE
);
CREATE INDEX email_provider_config_history_tenant_id_changed_at_idx ON dripiq_app.email_provider_config_history (tenant_id, changed_at DESC);
CREATE INDEX email_provider_config_history_config_id_version_idx ON dripiq_app.email_provider_config_history (config_id, version);
COMMENT ON TABLE dripiq_app.email_provider_config_history IS 'Every change of a configuration or token, without secrets';
COMMENT ON COLUMN dripiq_app.email_provider_config_history.action IS 'deleted is soft, removed is for good';
COMMENT ON COLUMN dripiq_app.email_provider_config_history.changed_by IS 'The database role that logged in';
COMMENT ON COLUMN dripiq_app.email_provider_config_history.changed_for IS 'The application''s user, from the setting app.user_id';
ALTER TABLE dripiq_app.email_provider_config_history ENABLE ROW LEVEL SECURITY;

-- What a new configuration of each kind begins with. Not one tenant's, and without anything secret.
CREATE TABLE dripiq_app.email_provider_templates (
  type text CONSTRAINT email_provider_templates_pkey PRIMARY KEY,
  name text NOT NULL,
  config jsonb NOT NULL,
  needs_tokens boolean NOT NULL,
  CONSTRAINT email_provider_templates_type_check CHECK (type IN ('sendgrid', 'smtp', 'microsoft_graph', 'google_workspace')),
  CONSTRAINT email_provider_templates_config_check CHECK (jsonb_typeof(config) = 'object')
);
INSERT INTO dripiq_app.email_provider_templates (type, name, config, needs_tokens) VALUES
  ('sendgrid', 'SendGrid', '{}', false),
  ('smtp', 'SMTP server', '{"host": "", "port": 587, "secure": true}', false),
  ('microsoft_graph', 'Microsoft 365', '{"directory": ""}', true),
  ('google_workspace', 'Google Workspace', '{"domain": ""}', true);
COMMENT ON TABLE dripiq_app.email_provider_templates IS 'What a new configuration of each kind begins with';
COMMENT ON COLUMN dripiq_app.email_provider_templates.needs_tokens IS 'Whether the provider asks for OAuth';
ALTER TABLE dripiq_app.email_provider_templates ENABLE ROW LEVEL SECURITY;

-- The functions; all that run as their owner have an empty search_path.
\ir parts/002_functions.sql

-- One policy each; a tenant is (SELECT …), which is asked once a statement and not once a row.
CREATE POLICY "Tenants manage their own email providers" ON dripiq_app.email_provider_configs TO dripiq_web
  USING (tenant_id = (SELECT dripiq_app.current_tenant_id()))
  WITH CHECK (tenant_id = (SELECT dripiq_app.current_tenant_id()));
CREATE POLICY "Support sees email providers" ON dripiq_app.email_provider_configs FOR SELECT TO dripiq_support USING (true);
CREATE POLICY "Tenants manage their own tokens" ON dripiq_app.email_provider_tokens TO dripiq_web
  USING (EXISTS (SELECT FROM dripiq_app.email_provider_configs AS c
                 WHERE c.id = email_provider_tokens.config_id AND c.tenant_id = (SELECT dripiq_app.current_tenant_id())))
  WITH CHECK (EXISTS (SELECT FROM dripiq_app.email_provider_configs AS c
                      WHERE c.id = email_provider_tokens.config_id AND c.tenant_id = (SELECT dripiq_app.current_tenant_id())));
CREATE POLICY "Support sees tokens" ON dripiq_app.email_provider_tokens FOR SELECT TO dripiq_support USING (true);
CREATE POLICY "Tenants see their own history" ON dripiq_app.email_provider_config_history
  FOR SELECT TO dripiq_web USING (tenant_id = (SELECT dripiq_app.current_tenant_id()));
CREATE POLICY "Support sees history" ON dripiq_app.email_provider_config_history FOR SELECT TO dripiq_support USING (true);
CREATE POLICY "Everybody sees templates" ON dripiq_app.email_provider_templates
  FOR SELECT TO dripiq_web, dripiq_support USING (true);
CREATE POLICY "Support sees the log" ON dripiq_app.email_provider_migration_log FOR SELECT TO dripiq_support USING (true);

-- Support reads everything but what is encrypted: column by column, so that a new column is not theirs by itself.
GRANT SELECT, INSERT, UPDATE, DELETE ON dripiq_app.email_provider_configs, dripiq_app.email_provider_tokens TO dripiq_web;
GRANT SELECT ON dripiq_app.email_provider_config_history, dripiq_app.email_provider_templates TO dripiq_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON dripiq_app.email_provider_configs, dripiq_app.email_provider_tokens TO dripiq_service;
GRANT SELECT ON dripiq_app.email_provider_config_history, dripiq_app.email_provider_templates, dripiq_app.email_provider_migration_log TO dripiq_service;
GRANT SELECT (id, tenant_id, type, name, config, is_default, is_active, created_at, updated_at, version, deleted_at,
  encryption_key_id, credentials_changed_at) ON dripiq_app.email_provider_configs TO dripiq_support;
GRANT SELECT (id, config_id, token_type, expires_at, scopes, created_at, updated_at, encryption_key_id)
  ON dripiq_app.email_provider_tokens TO dripiq_support;
GRANT SELECT ON dripiq_app.email_provider_config_history, dripiq_app.email_provider_templates, dripiq_app.email_provider_migration_log TO dripiq_support;

-- The history that an earlier way back put aside.
DO $kept$
BEGIN
  IF to_regclass('dripiq_app.email_provider_kept') IS NULL THEN
    RETURN;
  END IF;
  INSERT INTO dripiq_app.email_provider_config_history
  SELECT (jsonb_populate_record(NULL::dripiq_app.email_provider_config_history, k.kept)).*
  FROM dripiq_app.email_provider_kept AS k
  WHERE k.source = 'email_provider_config_history'
    AND EXISTS (SELECT FROM dripiq_app.tenants AS t WHERE t.id = k.kept ->> 'tenant_id');
  DELETE FROM dripiq_app.email_provider_kept WHERE source = 'email_provider_config_history';
END
$kept$;

COMMIT;
