-- 001: the catalogue of services and the table of who has connected what. Both are new, so nobody waits for this step.
BEGIN;

CREATE TABLE dev.services (
  id text CONSTRAINT services_pkey PRIMARY KEY,
  name text NOT NULL,
  type text NOT NULL CONSTRAINT services_type_check CHECK (type IN ('email', 'calendar', 'messaging', 'storage')),
  provider text NOT NULL,
  is_active boolean NOT NULL DEFAULT true,
  metadata jsonb NOT NULL DEFAULT '{}'::jsonb
);

-- WhatsApp is announced for later, yet the application may already link it: it is active, and the user interface reads
-- from its metadata that it is not to be offered yet.
INSERT INTO dev.services (id, name, type, provider, metadata) VALUES
  ('gmail', 'Gmail', 'email', 'google', '{"icon": "gmail", "color": "#EA4335"}'),
  ('google_calendar', 'Google Calendar', 'calendar', 'google', '{"icon": "google-calendar", "color": "#4285F4"}'),
  ('telegram', 'Telegram', 'messaging', 'telegram', '{"icon": "telegram", "color": "#26A5E4"}'),
  ('signal', 'Signal', 'messaging', 'signal', '{"icon": "signal", "color": "#3A76F0"}'),
  ('whatsapp', 'WhatsApp', 'messaging', 'whatsapp', '{"icon": "whatsapp", "color": "#25D366", "coming_soon": true}');

-- The foreign key to users comes in 003: until then dev.users is the old table, and a key follows the table it was made
-- for when that is renamed.
CREATE TABLE dev.user_integrations (
  id uuid CONSTRAINT user_integrations_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id text NOT NULL,
  service_id text NOT NULL CONSTRAINT user_integrations_service_id_fkey REFERENCES dev.services (id),
  is_active boolean NOT NULL DEFAULT true,
  display_label text,
  access_token text,
  refresh_token text,
  token_expires_at timestamptz,
  refresh_expired boolean,
  client_id text,
  client_secret text,
  auth_code text,
  granted_scopes jsonb CONSTRAINT user_integrations_granted_scopes_check CHECK (jsonb_typeof(granted_scopes) = 'array'),
  external_user_id text,
  external_username text,
  credentials jsonb NOT NULL DEFAULT '{}'::jsonb,
  metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT user_integrations_user_id_service_id_external_user_id_key UNIQUE (user_id, service_id, external_user_id)
);

-- For a unique constraint two nulls differ, so an account without an external id could be linked again and again.
-- NULLS NOT DISTINCT would do, but PostgreSQL 14 has no such thing.
CREATE UNIQUE INDEX user_integrations_one_without_external_id ON dev.user_integrations (user_id, service_id)
  WHERE external_user_id IS NULL;
-- Which user is behind a Telegram id is asked for every message.
CREATE INDEX user_integrations_external_user_id_idx ON dev.user_integrations (service_id, external_user_id);
-- Which tokens have to be refreshed next.
CREATE INDEX user_integrations_token_expires_at_idx ON dev.user_integrations (token_expires_at) WHERE is_active;

CREATE FUNCTION dev.touch_user_integration() RETURNS trigger
  LANGUAGE plpgsql
  AS $$
BEGIN
  NEW.updated_at = now();
  RETURN NEW;
END;
$$;
REVOKE ALL ON FUNCTION dev.touch_user_integration() FROM PUBLIC;
CREATE TRIGGER user_integrations_touch BEFORE UPDATE ON dev.user_integrations
  FOR EACH ROW EXECUTE FUNCTION dev.touch_user_integration();

-- Default privileges may have given what was just made to others, credentials among them.
DO $closed$
DECLARE
  given record;
BEGIN
  FOR given IN
    SELECT DISTINCT c.oid::regclass AS name, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    WHERE a.grantee <> c.relowner AND c.oid IN ('dev.services'::regclass, 'dev.user_integrations'::regclass)
  LOOP
    EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', given.name, given.grantee);
  END LOOP;
END
$closed$;

-- A new table has no grants and no row security: without these the application would be locked out, or with grants alone
-- everybody could read everybody's credentials. Members and reports get the columns that hold no secret.
GRANT SELECT ON dev.services TO dev_backend, dev_member, bi_report;
GRANT INSERT, UPDATE ON dev.services TO dev_backend;
GRANT SELECT, INSERT, UPDATE, DELETE ON dev.user_integrations TO dev_backend;
GRANT SELECT (id, user_id, service_id, is_active, display_label, external_user_id, external_username, created_at, updated_at)
  ON dev.user_integrations TO dev_member;
GRANT SELECT (id, user_id, service_id, is_active, created_at, updated_at) ON dev.user_integrations TO bi_report;

ALTER TABLE dev.user_integrations ENABLE ROW LEVEL SECURITY;
CREATE POLICY "The backend works with every integration" ON dev.user_integrations
  FOR ALL TO dev_backend USING (true) WITH CHECK (true);
CREATE POLICY "Members see their own integrations" ON dev.user_integrations
  FOR SELECT TO dev_member USING (user_id = (SELECT dev.current_user_id()));
CREATE POLICY "Reports count integrations" ON dev.user_integrations FOR SELECT TO bi_report USING (true);

-- Services that an earlier way back had to put aside.
DO $kept$
BEGIN
  IF to_regclass('dev.services_kept') IS NOT NULL THEN
    INSERT INTO dev.services SELECT * FROM dev.services_kept
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, type = excluded.type, provider = excluded.provider,
      is_active = excluded.is_active, metadata = excluded.metadata;
    DROP TABLE dev.services_kept;
  END IF;
END
$kept$;

COMMENT ON TABLE dev.services IS 'What a user can connect';
COMMENT ON COLUMN dev.services.type IS 'email, calendar, messaging or storage';
COMMENT ON COLUMN dev.services.metadata IS 'For the user interface: icon, color, coming_soon';
COMMENT ON TABLE dev.user_integrations IS 'Which user has connected which service, with the credentials';
COMMENT ON COLUMN dev.user_integrations.is_active IS 'false once disconnected, or as long as a connection was asked for and not finished';
COMMENT ON COLUMN dev.user_integrations.token_expires_at IS 'Null is unknown, and counts as expired where tokens expire';
COMMENT ON COLUMN dev.user_integrations.external_user_id IS 'The user''s id over there: a mail address, a Telegram id, a Signal uuid';
COMMENT ON COLUMN dev.user_integrations.credentials IS 'Other secrets: chat_id, signup_token';
COMMENT ON COLUMN dev.user_integrations.metadata IS 'Anything else: history_id, calendar_id, sync_token, device, and an expiry date that is none';

COMMIT;
