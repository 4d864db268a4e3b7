-- The nightly job, where it is still there though its function is not. See cron.sql.
SELECT job.word AS problem
FROM pg_extension AS e
CROSS JOIN LATERAL ts_stat(CASE WHEN e.extname = 'pg_cron' THEN $$
  SELECT array_to_tsvector(ARRAY[command::text]) FROM cron.job WHERE command ~ 'cleanup_expired_zoom_tokens' $$ END) AS job
WHERE e.extname = 'pg_cron'
