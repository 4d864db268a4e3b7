-- 005, two weeks later: the old table goes, and with it the way back and the second copy of every credential. No CASCADE:
-- what still reads users_old must be seen, not dropped.
BEGIN;

LOCK TABLE dev.users_old IN ACCESS EXCLUSIVE MODE;

DROP VIEW dev.users_old_profile;
DROP VIEW dev.users_old_integrations;
DROP FUNCTION dev.users_old_expiry(text);
DROP FUNCTION dev.users_old_scopes(jsonb);
DROP TABLE dev.users_old;

COMMIT;
