-- Takes 002 back: credentials, their cleanup and its nightly job.
BEGIN;

-- Dropping the table takes its foreign key off profiles.
LOCK TABLE public.zoom_credentials, public.profiles IN ACCESS EXCLUSIVE MODE;

-- Whose Zoom was connected is kept; the tokens are secrets and are not. These people connect Zoom again.
\ir keep.sql
SELECT pg_temp.keep('zoom_credentials',
  'SELECT id, user_id, expires_at, zoom_user_id, zoom_email, created_at, updated_at FROM public.zoom_credentials');
DROP FUNCTION pg_temp.keep(text, text);

-- The job first: it would fail each night.
DO $cron$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
    IF EXISTS (SELECT FROM cron.job WHERE jobname = 'cleanup-zoom-tokens') THEN
      PERFORM cron.unschedule('cleanup-zoom-tokens');
    END IF;
  END IF;
END
$cron$;

DROP FUNCTION public.cleanup_expired_zoom_tokens();
DROP TABLE public.zoom_credentials;

COMMIT;
