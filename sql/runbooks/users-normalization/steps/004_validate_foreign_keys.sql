-- 004: the foreign keys to users are proven. Reading and writing go on meanwhile.
BEGIN;

ALTER TABLE dev.tasks VALIDATE CONSTRAINT tasks_user_id_fkey;
ALTER TABLE dev.emails VALIDATE CONSTRAINT emails_user_id_fkey;
ALTER TABLE dev.digests VALIDATE CONSTRAINT digests_user_id_fkey;
ALTER TABLE dev.preferences VALIDATE CONSTRAINT preferences_user_id_fkey;
ALTER TABLE dev.user_logs VALIDATE CONSTRAINT user_logs_user_id_fkey;

COMMIT;
