BEGIN;

-- Nothing to mend: the guide's two statements lead back. Only their IF EXISTS is left out.
DROP FUNCTION cleanup_expired_zoom_tokens();
DROP TABLE zoom_credentials;

COMMIT;
