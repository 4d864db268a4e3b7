-- Rows from before October 2025: the application goes on writing during the night.
SELECT 'users' AS name, count(*) AS rows FROM dev.users WHERE created_at < '2025-10-01'
UNION ALL SELECT 'tasks', count(*) FROM dev.tasks WHERE created_at < '2025-10-01'
UNION ALL SELECT 'emails', count(*) FROM dev.emails WHERE created_at < '2025-10-01'
UNION ALL SELECT 'digests', count(*) FROM dev.digests WHERE created_at < '2025-10-01'
UNION ALL SELECT 'preferences', count(*) FROM dev.preferences WHERE created_at < '2025-10-01'
UNION ALL SELECT 'user_logs', count(*) FROM dev.user_logs WHERE created_at < '2025-10-01'
UNION ALL SELECT 'telegram_messages', count(*) FROM dev.telegram_messages WHERE created_at < '2025-10-01'
ORDER BY name
