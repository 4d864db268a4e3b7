-- What of the new tables and columns nobody has described: the guide wants all of them documented.
SELECT a.attrelid::regclass::text || '.' || a.attname AS undocumented
FROM pg_attribute AS a
WHERE NOT a.attisdropped AND col_description(a.attrelid, a.attnum) IS NULL AND (
  (a.attrelid = 'dripiq_app.email_provider_configs'::regclass AND a.attname IN ('config', 'encrypted_credentials', 'is_default', 'version', 'deleted_at'))
  OR (a.attrelid = 'dripiq_app.email_provider_tokens'::regclass AND a.attname IN ('encrypted_access_token', 'encrypted_refresh_token', 'expires_at'))
  OR (a.attrelid = 'dripiq_app.email_sender_identities'::regclass AND a.attname IN ('provider_config_id', 'provider_validation_data', 'sendgrid_sender_id')))
UNION ALL
SELECT c.oid::regclass::text FROM pg_class AS c
WHERE c.relnamespace = 'dripiq_app'::regnamespace AND c.relname LIKE 'email\_provider\_%' AND c.relkind = 'r' AND obj_description(c.oid, 'pg_class') IS NULL
