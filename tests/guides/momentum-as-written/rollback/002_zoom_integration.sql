DROP FUNCTION IF EXISTS cleanup_expired_zoom_tokens();

DROP TABLE IF EXISTS zoom_credentials;
