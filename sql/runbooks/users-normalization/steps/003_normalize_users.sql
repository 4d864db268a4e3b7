-- 003: dev.users is the profile alone; what people have connected is in dev.user_integrations. The wide table stays as
-- dev.users_old. This is the moment from which the old application fails and the new one works.
BEGIN;

-- The wait comes first, when nothing is done yet and nothing else is held. Dependent tables come before users, as the
-- application locks them: a row that refers to a user takes its own table first, then users for the foreign key. So a
-- step that holds some of the tables never holds one that the holder of the next may still ask for.
LOCK TABLE dev.tasks, dev.emails, dev.digests, dev.preferences, dev.user_logs, dev.user_integrations, dev.team_directory,
  dev.users IN ACCESS EXCLUSIVE MODE;

-- The names of indexes and statistics are needed for the new table; those of constraints belong to their table.
ALTER TABLE dev.users RENAME TO users_old;
ALTER INDEX dev.users_pkey RENAME TO users_old_pkey;
ALTER INDEX dev.users_email_idx RENAME TO users_old_email_idx;
ALTER INDEX dev.users_telegram_id_idx RENAME TO users_old_telegram_id_idx;
ALTER INDEX dev.users_created_at_idx RENAME TO users_old_created_at_idx;
ALTER STATISTICS dev.users_role_position RENAME TO users_old_role_position;

CREATE TABLE dev.users (
  id text CONSTRAINT users_pkey PRIMARY KEY DEFAULT 'user_' || replace(gen_random_uuid()::text, '-', ''),
  created_at timestamptz NOT NULL DEFAULT now(),
  email text CONSTRAINT users_email_key UNIQUE CONSTRAINT users_email_check CHECK (length(email) <= 320),
  display_name text,
  position text,
  role text DEFAULT 'user',
  phone_number text,
  time_zone text DEFAULT 'UTC'
);

-- How the old form is read, in one place for the copy, the verifications and the way back.
\ir parts/old_form.sql

INSERT INTO dev.users (id, created_at, email, display_name, position, role, phone_number, time_zone)
SELECT id, created_at, email, display_name, position, role, phone_number, time_zone
FROM dev.users_old_profile;

-- Whose address belongs to an older account already: it is theirs no longer in dev.users, so somebody has to see to them.
CREATE TABLE dev.users_duplicate_emails (
  user_id text CONSTRAINT users_duplicate_emails_pkey PRIMARY KEY
    CONSTRAINT users_duplicate_emails_user_id_fkey REFERENCES dev.users (id) ON DELETE CASCADE,
  email text NOT NULL,
  kept_by text CONSTRAINT users_duplicate_emails_kept_by_fkey REFERENCES dev.users (id) ON DELETE SET NULL
);
INSERT INTO dev.users_duplicate_emails (user_id, email, kept_by)
SELECT id, email_was, email_kept_by FROM dev.users_old_profile WHERE email_kept_by <> id;

-- Default privileges may have given what was just made to others, and the two views read
-- users_old as their owner, whom no row security stops.
DO $closed$
DECLARE
  given record;
BEGIN
  FOR given IN
    SELECT DISTINCT c.oid::regclass AS name, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    WHERE a.grantee <> c.relowner AND c.oid IN (
      'dev.users'::regclass, 'dev.users_duplicate_emails'::regclass, 'dev.users_old_profile'::regclass, 'dev.users_old_integrations'::regclass)
  LOOP
    EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', given.name, given.grantee);
  END LOOP;
END
$closed$;
GRANT SELECT, DELETE ON dev.users_duplicate_emails TO dev_backend;
ALTER TABLE dev.users_duplicate_emails ENABLE ROW LEVEL SECURITY;
CREATE POLICY "The backend works off the list" ON dev.users_duplicate_emails FOR ALL TO dev_backend USING (true);

-- Nothing in it depends on when this runs: after a way back and another attempt the ids are the same, and nothing looks
-- as if somebody had just changed it.
INSERT INTO dev.user_integrations (
  id, user_id, service_id, is_active, display_label, access_token, refresh_token, token_expires_at, refresh_expired, client_id,
  client_secret, auth_code, granted_scopes, external_user_id, external_username, credentials, metadata, created_at, updated_at)
SELECT
  md5(service_id || ' of ' || user_id)::uuid,
  user_id, service_id, is_active, display_label, access_token, refresh_token, token_expires_at, refresh_expired, client_id,
  client_secret, auth_code, granted_scopes, external_user_id, external_username, credentials, metadata, created_at, created_at
FROM dev.users_old_integrations;

-- Under the lock, so this can be exact, as no later look can be.
\ir parts/proof.sql

CREATE INDEX users_email_idx ON dev.users (lower(email));
CREATE INDEX users_created_at_idx ON dev.users (created_at);
CREATE STATISTICS dev.users_role_position ON role, position FROM dev.users;
ALTER TABLE dev.user_integrations ADD CONSTRAINT user_integrations_user_id_fkey
  FOREIGN KEY (user_id) REFERENCES dev.users (id) ON DELETE CASCADE;

-- Foreign keys go with the table they were made for, so they point to users_old now. NOT VALID, because the rows need no
-- proof while everybody waits: users has the same ids. 004 has them validated.
ALTER TABLE dev.tasks DROP CONSTRAINT tasks_user_id_fkey,
  ADD CONSTRAINT tasks_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id) ON DELETE CASCADE NOT VALID;
ALTER TABLE dev.emails DROP CONSTRAINT emails_user_id_fkey,
  ADD CONSTRAINT emails_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id) NOT VALID;
ALTER TABLE dev.digests DROP CONSTRAINT digests_user_id_fkey,
  ADD CONSTRAINT digests_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id) NOT VALID;
ALTER TABLE dev.preferences DROP CONSTRAINT preferences_user_id_fkey,
  ADD CONSTRAINT preferences_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id) ON DELETE CASCADE NOT VALID;
ALTER TABLE dev.user_logs DROP CONSTRAINT user_logs_user_id_fkey,
  ADD CONSTRAINT user_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id) ON DELETE SET NULL NOT VALID;
COMMENT ON CONSTRAINT tasks_user_id_fkey ON dev.tasks IS 'Tasks go with their user';
COMMENT ON CONSTRAINT user_logs_user_id_fkey ON dev.user_logs IS 'A log outlives its user';

-- So do views and policies: without these two the directory and the admins' overview would go on reading users_old.
CREATE OR REPLACE VIEW dev.team_directory AS
  SELECT id, display_name, position, role, time_zone
  FROM dev.users
  WHERE display_name IS NOT NULL;
ALTER POLICY "Admins see every task" ON dev.tasks USING (EXISTS (
  SELECT FROM dev.users AS u WHERE u.id = (SELECT dev.current_user_id()) AND u.role = 'admin'));

-- A body in plpgsql is text: this one would fail with the next message to the bot. dev.is_admin() asks for nothing that moved.
CREATE OR REPLACE FUNCTION dev.find_user_by_telegram(telegram_id text) RETURNS text
  LANGUAGE plpgsql STABLE
  AS $$
BEGIN
  RETURN (
    SELECT u.id FROM dev.user_integrations AS ui JOIN dev.users AS u ON u.id = ui.user_id
    WHERE ui.service_id = 'telegram' AND ui.external_user_id = find_user_by_telegram.telegram_id AND ui.is_active
    ORDER BY u.created_at, u.id LIMIT 1);
END;
$$;

-- The trigger, the grants and row security stay with users_old as well.
CREATE TRIGGER users_clean_email BEFORE INSERT OR UPDATE OF email ON dev.users
  FOR EACH ROW EXECUTE FUNCTION dev.clean_email();

GRANT SELECT, INSERT, UPDATE, DELETE ON dev.users TO dev_backend;
GRANT SELECT (id, created_at, email, display_name, position, role, phone_number, time_zone) ON dev.users TO dev_member;
GRANT UPDATE (display_name, position, phone_number, time_zone) ON dev.users TO dev_member;
GRANT SELECT (id, created_at, position, role, time_zone) ON dev.users TO bi_report;

ALTER TABLE dev.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY "The backend works with every user" ON dev.users FOR ALL TO dev_backend USING (true) WITH CHECK (true);
CREATE POLICY "Members see themselves, admins everybody" ON dev.users
  FOR SELECT TO dev_member USING (id = (SELECT dev.current_user_id()) OR (SELECT dev.is_admin()));
CREATE POLICY "Members change themselves" ON dev.users
  FOR UPDATE TO dev_member USING (id = (SELECT dev.current_user_id())) WITH CHECK (id = (SELECT dev.current_user_id()));
CREATE POLICY "Reports count everybody" ON dev.users FOR SELECT TO bi_report USING (true);

COMMENT ON TABLE dev.users IS 'People';
COMMENT ON COLUMN dev.users.time_zone IS 'As the person chose it';
COMMENT ON INDEX dev.users_email_idx IS 'Login looks here';
COMMENT ON STATISTICS dev.users_role_position IS 'Engineers are rarely managers';
COMMENT ON TRIGGER users_clean_email ON dev.users IS 'No spaces around an address';
COMMENT ON POLICY "Members see themselves, admins everybody" ON dev.users IS 'Also what the profile page shows';
COMMENT ON TABLE dev.users_duplicate_emails IS 'Accounts whose address belongs to an older one; delete a row when it is settled';

ANALYZE dev.users, dev.user_integrations;

-- A second copy of every credential lies in users_old for two weeks: nobody but its owner reads it, whatever the grants
-- say. Its age tells which rows this step has written out of users_old and which are younger (see verify/).
CREATE POLICY "Kept for the way back" ON dev.users_old AS RESTRICTIVE FOR ALL TO PUBLIC USING (false);
COMMENT ON POLICY "Kept for the way back" ON dev.users_old IS 'Takes precedence over every other policy';

-- What an earlier way back had put aside, because the old form has no place for it: second accounts, new services,
-- disconnected accounts, labels. Where the old application went on with an account, its tokens are the newer ones; an
-- account is the same if its external id is; or its tokens, where the old form does not hold the id: several accounts of
-- one service may have got the same token. It stays off where the old application has taken its tokens away. EXCEPTION
-- makes a transaction within the transaction of it, and so these rows are younger than the policy: they are not what
-- users_old says.
DO $kept$
BEGIN
  IF to_regclass('dev.user_integrations_kept') IS NOT NULL THEN
    UPDATE dev.user_integrations AS ui
    SET is_active = ui.is_active OR k.is_active
        AND (ui.access_token, ui.refresh_token) IS NOT DISTINCT FROM (k.access_token, k.refresh_token),
      display_label = coalesce(k.display_label, ui.display_label),
      external_user_id = k.external_user_id,
      metadata = k.metadata || ui.metadata, credentials = k.credentials || ui.credentials
    FROM dev.user_integrations_kept AS k
    WHERE ui.user_id = k.user_id AND ui.service_id = k.service_id
      AND (ui.external_user_id IS NOT DISTINCT FROM k.external_user_id
        OR (ui.service_id = 'google_calendar' OR k.external_user_id IS NULL) AND (ui.refresh_token = k.refresh_token
          OR ui.access_token = k.access_token AND ui.refresh_token IS NOT DISTINCT FROM k.refresh_token));
    UPDATE dev.user_integrations_kept AS k SET id = gen_random_uuid()
    WHERE EXISTS (SELECT FROM dev.user_integrations AS ui WHERE ui.id = k.id);
    INSERT INTO dev.user_integrations
    SELECT k.* FROM dev.user_integrations_kept AS k
    WHERE EXISTS (SELECT FROM dev.users AS u WHERE u.id = k.user_id)
      AND EXISTS (SELECT FROM dev.services AS s WHERE s.id = k.service_id)
      AND NOT EXISTS (
        SELECT FROM dev.user_integrations AS ui
        WHERE ui.user_id = k.user_id AND ui.service_id = k.service_id AND ui.external_user_id IS NOT DISTINCT FROM k.external_user_id);
    DROP TABLE dev.user_integrations_kept;
  END IF;
EXCEPTION WHEN unique_violation THEN
  RAISE;
END
$kept$;

COMMIT;
