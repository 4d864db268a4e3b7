-- Which row belongs to whom, as one sum for each table. Rows from before October 2025, see rows.sql.
SELECT name, sum(('x' || left(md5(pair), 8))::bit(32)::bigint) AS owners
FROM (
  SELECT 'tasks' AS name, id || ' ' || user_id AS pair FROM dev.tasks WHERE created_at < '2025-10-01'
  UNION ALL SELECT 'emails', id || ' ' || user_id FROM dev.emails WHERE created_at < '2025-10-01'
  UNION ALL SELECT 'digests', id || ' ' || user_id FROM dev.digests WHERE created_at < '2025-10-01'
  UNION ALL SELECT 'preferences', user_id || ' ' || settings FROM dev.preferences WHERE created_at < '2025-10-01'
  UNION ALL SELECT 'user_logs', id || ' ' || coalesce(user_id, 'nobody') FROM dev.user_logs WHERE created_at < '2025-10-01'
  UNION ALL SELECT 'telegram_messages', id || ' ' || sender_id || ' ' || recipient_id FROM dev.telegram_messages WHERE created_at < '2025-10-01'
) AS t
GROUP BY name
ORDER BY name
