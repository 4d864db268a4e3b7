-- Takes 003 back: users is the wide table again, with what the new application has written.
BEGIN;

-- The same order as in every step (see steps/003).
LOCK TABLE dev.tasks, dev.emails, dev.digests, dev.preferences, dev.user_logs, dev.user_integrations, dev.users_duplicate_emails,
  dev.users_old_integrations, dev.users_old_profile, dev.team_directory, dev.users, dev.users_old IN ACCESS EXCLUSIVE MODE;

\ir parts/003_carry_back.sql
\ir parts/003_old_table.sql

COMMIT;
