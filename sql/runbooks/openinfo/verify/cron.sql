-- Jobs that are not scheduled as they should be, on a server that has pg_cron; see recorded.sql for ts_stat.
-- Jobs of others are not looked at: ts_stat cuts a command of more than 2 kB anywhere, and they may have no name.
SELECT due.job
FROM (VALUES
  ('openinfo-reset-daily-credits 0 0 * * * SELECT public.reset_daily_credits()'),
  ('openinfo-update-topic-trends 5 0 * * 1 SELECT public.update_topic_trends()'),
  ('openinfo-reset-weekly-lead-counts 0 0 * * 1 SELECT public.reset_weekly_lead_counts()'),
  ('openinfo-cleanup-expired-exports 30 3 * * * SELECT public.cleanup_expired_exports()')) AS due (job)
WHERE to_regclass('cron.job') IS NOT NULL
  AND due.job NOT IN (
    SELECT word FROM ts_stat(CASE WHEN to_regclass('cron.job') IS NULL THEN 'SELECT to_tsvector(''simple'', '''')'
      ELSE 'SELECT array_to_tsvector(ARRAY[concat_ws('' '', jobname, schedule, command)]) FROM cron.job
        WHERE active AND jobname LIKE ''openinfo-%''' END))
ORDER BY 1
