-- The old table is dev.users again, and everything that was led to the new one is led back.
DROP POLICY "Kept for the way back" ON dev.users_old;
DROP VIEW dev.users_old_integrations;
DROP VIEW dev.users_old_profile;
DROP FUNCTION dev.users_old_expiry(text);
DROP FUNCTION dev.users_old_scopes(jsonb);

ALTER TABLE dev.user_integrations DROP CONSTRAINT user_integrations_user_id_fkey;
DELETE FROM dev.user_integrations;
DROP TABLE dev.users_duplicate_emails;

-- No CASCADE anywhere: it takes along whatever somebody has hung on the table since, without a word.
ALTER TABLE dev.tasks DROP CONSTRAINT tasks_user_id_fkey;
ALTER TABLE dev.emails DROP CONSTRAINT emails_user_id_fkey;
ALTER TABLE dev.digests DROP CONSTRAINT digests_user_id_fkey;
ALTER TABLE dev.preferences DROP CONSTRAINT preferences_user_id_fkey;
ALTER TABLE dev.user_logs DROP CONSTRAINT user_logs_user_id_fkey;

CREATE OR REPLACE VIEW dev.team_directory AS
  SELECT id, display_name, position, role, time_zone
  FROM dev.users_old
  WHERE display_name IS NOT NULL;
ALTER POLICY "Admins see every task" ON dev.tasks USING (EXISTS (
  SELECT FROM dev.users_old AS u WHERE u.id = (SELECT dev.current_user_id()) AND u.role = 'admin'));

DROP TABLE dev.users;
ALTER TABLE dev.users_old RENAME TO users;
ALTER INDEX dev.users_old_pkey RENAME TO users_pkey;
ALTER INDEX dev.users_old_email_idx RENAME TO users_email_idx;
ALTER INDEX dev.users_old_telegram_id_idx RENAME TO users_telegram_id_idx;
ALTER INDEX dev.users_old_created_at_idx RENAME TO users_created_at_idx;
ALTER STATISTICS dev.users_old_role_position RENAME TO users_role_position;

-- All five, with what becomes of the rows of a deleted user. New users' rows hold as well: their users were carried back.
ALTER TABLE dev.tasks ADD CONSTRAINT tasks_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id) ON DELETE CASCADE;
ALTER TABLE dev.emails ADD CONSTRAINT emails_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id);
ALTER TABLE dev.digests ADD CONSTRAINT digests_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id);
ALTER TABLE dev.preferences ADD CONSTRAINT preferences_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id) ON DELETE CASCADE;
ALTER TABLE dev.user_logs ADD CONSTRAINT user_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id) ON DELETE SET NULL;
COMMENT ON CONSTRAINT tasks_user_id_fkey ON dev.tasks IS 'Tasks go with their user';
COMMENT ON CONSTRAINT user_logs_user_id_fkey ON dev.user_logs IS 'A log outlives its user';

CREATE OR REPLACE FUNCTION dev.find_user_by_telegram(telegram_id text) RETURNS text
  LANGUAGE plpgsql STABLE
  AS $$
BEGIN
  RETURN (
    SELECT u.id FROM dev.users AS u
    WHERE u.telegram_id = find_user_by_telegram.telegram_id ORDER BY u.created_at, u.id LIMIT 1);
END;
$$;
