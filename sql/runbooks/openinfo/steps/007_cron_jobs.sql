-- 007: the four cron functions run by themselves where the server has pg_cron.
BEGIN;

-- The guide names functions and times and no migration that schedules them. Counters begin with the day and the week,
-- trends close the week once it is over.
-- pg_cron goes by UTC unless cron.timezone says otherwise.
DO $schedule$
DECLARE
  job record;
BEGIN
  FOR job IN
    SELECT * FROM (VALUES
      ('openinfo-reset-daily-credits', '0 0 * * *', 'SELECT public.reset_daily_credits()'),
      ('openinfo-update-topic-trends', '5 0 * * 1', 'SELECT public.update_topic_trends()'),
      ('openinfo-reset-weekly-lead-counts', '0 0 * * 1', 'SELECT public.reset_weekly_lead_counts()'),
      ('openinfo-cleanup-expired-exports', '30 3 * * *', 'SELECT public.cleanup_expired_exports()')
    ) AS jobs (name, schedule, command)
  LOOP
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
      PERFORM cron.schedule(job.name, job.schedule, job.command);
      RAISE NOTICE 'scheduled: % at %', job.name, job.schedule;
    ELSE
      RAISE NOTICE 'no pg_cron here: run "%" by another scheduler, as service_role, at % UTC', job.command, job.schedule;
    END IF;
  END LOOP;
END
$schedule$;

COMMIT;
