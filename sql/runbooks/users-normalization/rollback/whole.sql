-- Back to the wide users table, all of 001 to 004 in one transaction and under one lock at the start.
BEGIN;

-- One wait, before anything is done; the same order as in every step (see steps/003).
LOCK TABLE dev.tasks, dev.emails, dev.digests, dev.preferences, dev.user_logs, dev.user_integrations, dev.services,
  dev.users_duplicate_emails, dev.users_old_integrations, dev.users_old_profile, dev.team_directory, dev.users, dev.users_old
  IN ACCESS EXCLUSIVE MODE;

-- Of 004 nothing has to be undone: its foreign keys go with 003.
\ir parts/003_carry_back.sql
\ir parts/003_old_table.sql
\ir parts/002.sql
\ir parts/001.sql

COMMIT;
