-- 'missing', where pg_cron is in this database and the nightly job is not as it should be. ts_stat runs a text as a query,
-- because cron.job is only there with the extension.
SELECT job.word AS problem
FROM pg_extension AS e
CROSS JOIN LATERAL ts_stat(CASE WHEN e.extname = 'pg_cron' THEN $$
  SELECT array_to_tsvector(ARRAY['missing']) WHERE NOT EXISTS (
    SELECT FROM cron.job
    WHERE jobname = 'cleanup-zoom-tokens' AND schedule = '0 2 * * *' AND active
      AND command = 'SELECT public.cleanup_expired_zoom_tokens();') $$ END) AS job
WHERE e.extname = 'pg_cron'
