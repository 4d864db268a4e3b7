-- 002: Zoom's OAuth credentials and the removal of those that are long expired.
BEGIN;

-- The foreign key locks profiles, which only the new application knows: nobody waits, it is not deployed yet.
LOCK TABLE public.profiles IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE public.zoom_credentials (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid UNIQUE NOT NULL REFERENCES public.profiles (id) ON DELETE CASCADE,
  access_token text NOT NULL,
  refresh_token text NOT NULL,
  expires_at timestamptz NOT NULL,
  zoom_user_id text,
  zoom_email text,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);
COMMENT ON TABLE public.zoom_credentials IS 'OAuth tokens of Zoom, one set a user';

CREATE INDEX idx_zoom_credentials_expires ON public.zoom_credentials (expires_at);
-- The guide names it; the unique constraint on user_id has one just like it.
CREATE INDEX idx_zoom_credentials_user ON public.zoom_credentials (user_id);

ALTER TABLE public.zoom_credentials ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can manage own zoom credentials" ON public.zoom_credentials
  FOR ALL USING ((SELECT auth.uid()) = user_id);

-- As in 001: by name, and nothing that no policy stops.
REVOKE ALL ON public.zoom_credentials FROM anon, authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.zoom_credentials TO authenticated;
GRANT ALL ON public.zoom_credentials TO service_role;

\ir 002_try_zoom.sql

-- Runs as whoever calls it: the cron job's owner removes everybody's, and row security lets nobody else do that. It is
-- nothing for the API, though, where every function of public can be called by those who may execute it.
CREATE OR REPLACE FUNCTION public.cleanup_expired_zoom_tokens() RETURNS void
  LANGUAGE plpgsql SET search_path = ''
  AS $$
BEGIN
  DELETE FROM public.zoom_credentials WHERE expires_at < now() - interval '7 days';
END;
$$;
COMMENT ON FUNCTION public.cleanup_expired_zoom_tokens() IS 'Removes credentials that expired more than seven days ago';
REVOKE ALL ON FUNCTION public.cleanup_expired_zoom_tokens() FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.cleanup_expired_zoom_tokens() TO service_role;

-- The guide's optional job, at two each night, where pg_cron is in this database. The function with its schema: a job's
-- search_path is its owner's.
DO $cron$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
    PERFORM cron.schedule('cleanup-zoom-tokens', '0 2 * * *', 'SELECT public.cleanup_expired_zoom_tokens();');
    RAISE NOTICE 'pg_cron runs cleanup-zoom-tokens at 02:00 each night';
  ELSE
    RAISE NOTICE 'there is no pg_cron in this database: have cleanup_expired_zoom_tokens() called once a night by other means';
  END IF;
END
$cron$;

COMMIT;
