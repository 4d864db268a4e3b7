-- The four jobs, as far as pg_cron has them; see verify/recorded.sql for ts_stat.
SELECT word AS job
FROM ts_stat(CASE WHEN to_regclass('cron.job') IS NULL THEN 'SELECT to_tsvector(''simple'', '''')'
  ELSE 'SELECT array_to_tsvector(ARRAY[jobname]) FROM cron.job WHERE jobname IN (''openinfo-reset-daily-credits'',
    ''openinfo-update-topic-trends'', ''openinfo-reset-weekly-lead-counts'', ''openinfo-cleanup-expired-exports'')' END)
ORDER BY 1
