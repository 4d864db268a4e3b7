-- Takes 004 back: the foreign keys are there and hold for every new row, but are not proven. A key cannot be made
-- unproven again, so each is made anew.
BEGIN;

-- The same order as in every step (see steps/003).
LOCK TABLE dev.tasks, dev.emails, dev.digests, dev.preferences, dev.user_logs, dev.users IN ACCESS EXCLUSIVE MODE;

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

COMMIT;
