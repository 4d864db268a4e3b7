-- Columns of the two tables, in their order: name, type, whether null is allowed.
SELECT table_name::text, column_name::text, CASE WHEN data_type = 'ARRAY' THEN udt_name ELSE data_type END::text AS type, is_nullable::text
FROM information_schema.columns
WHERE table_schema = 'dripiq_app' AND table_name IN ('email_provider_configs', 'email_provider_tokens')
ORDER BY table_name, ordinal_position
