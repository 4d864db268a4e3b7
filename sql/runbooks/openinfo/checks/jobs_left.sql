-- Jobs of ours that pg_cron still has; see verify/recorded.sql for ts_stat.
SELECT word AS job
FROM ts_stat(CASE WHEN to_regclass('cron.job') IS NULL THEN 'SELECT to_tsvector(''simple'', '''')'
  ELSE 'SELECT array_to_tsvector(ARRAY[jobname]) FROM cron.job WHERE jobname LIKE ''openinfo-%''' END)
ORDER BY 1
