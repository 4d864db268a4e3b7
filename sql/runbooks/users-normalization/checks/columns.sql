-- Columns of users that no step knows, which would stay behind in users_old, or that the steps expect and that are missing
-- or of another type.
WITH known (name, type) AS (
  VALUES
    ('id', 'text'), ('created_at', 'timestamp with time zone'), ('email', 'text'), ('display_name', 'text'), ('position', 'text'),
    ('role', 'text'), ('phone_number', 'text'), ('time_zone', 'text'),
    ('access_token', 'text'), ('refresh_token', 'text'), ('token_expiration_date', 'text'), ('client_id', 'text'),
    ('client_secret', 'text'), ('auth_code', 'text'), ('refresh_expired', 'boolean'), ('granted_scopes', 'jsonb'),
    ('gmail_address', 'text'), ('gmail_history_id', 'text'),
    ('access_token_2', 'text'), ('refresh_token_2', 'text'), ('token_expiration_date_2', 'text'), ('client_id_2', 'text'),
    ('client_secret_2', 'text'), ('auth_code_2', 'text'), ('refresh_expired_2', 'boolean'), ('granted_scopes_2', 'jsonb'),
    ('calendar_id', 'text'), ('calendar_sync_token', 'text'),
    ('telegram_id', 'text'), ('telegram_username', 'text'), ('telegram_chat_id', 'text'), ('telegram_signup_token', 'text'),
    ('telegram_linked_at', 'timestamp with time zone'),
    ('signal_source_uuid', 'text'), ('signal_number', 'text'), ('signal_device', 'integer'), ('signal_linked_at', 'timestamp with time zone')
), found (name, type) AS (
  SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
  WHERE attrelid = to_regclass('dev.users') AND attnum > 0 AND NOT attisdropped
)
SELECT CASE WHEN known IS NULL THEN 'unknown' ELSE 'missing' END AS finding, name, type
FROM known FULL JOIN found USING (name, type)
WHERE known IS NULL OR found IS NULL
ORDER BY 2, 1
