SELECT a.attname::text, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass('dev.user_integrations') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
