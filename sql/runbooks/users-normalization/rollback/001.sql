-- Takes 001 back: no integrations, no services. What an application has written there already is put aside.
BEGIN;

LOCK TABLE dev.user_integrations, dev.services IN ACCESS EXCLUSIVE MODE;

\ir parts/001.sql

COMMIT;
