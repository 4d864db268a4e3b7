-- Takes 007 back: none of the four jobs is scheduled any more.
BEGIN;

DO $unschedule$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
    PERFORM cron.unschedule(j.jobname) FROM cron.job AS j WHERE j.jobname IN ('openinfo-reset-daily-credits',
      'openinfo-update-topic-trends', 'openinfo-reset-weekly-lead-counts', 'openinfo-cleanup-expired-exports');
  ELSE
    RAISE NOTICE 'no pg_cron here: take the four jobs out of your scheduler';
  END IF;
END
$unschedule$;

COMMIT;
