-- 006: client_profiles.iso_agent_id and requests.iso_agent_id are user_id.
BEGIN;

-- The same order as in every step (see 004). The view comes first: who reads it holds it while asking for the tables.
LOCK TABLE public.request_summary, public.requests, public.client_profiles IN ACCESS EXCLUSIVE MODE;

ALTER TABLE public.client_profiles RENAME COLUMN iso_agent_id TO user_id;
ALTER TABLE public.requests RENAME COLUMN iso_agent_id TO user_id;

-- A view keeps the name that its column had when it was made.
ALTER VIEW public.request_summary RENAME COLUMN iso_agent_id TO user_id;

ALTER INDEX public.idx_client_profiles_iso_agent_id RENAME TO idx_client_profiles_user_id;
ALTER INDEX public.idx_requests_iso_agent_id RENAME TO idx_requests_user_id;
ALTER INDEX public.idx_requests_iso_agent_id_created_at RENAME TO idx_requests_user_id_created_at;
ALTER TABLE public.client_profiles RENAME CONSTRAINT client_profiles_iso_agent_id_fkey TO client_profiles_user_id_fkey;
ALTER TABLE public.requests RENAME CONSTRAINT requests_iso_agent_id_fkey TO requests_user_id_fkey;

-- Since PostgreSQL 18 NOT NULL is a constraint with a name; before, this finds none.
DO $not_null$
DECLARE
  old record;
BEGIN
  FOR old IN
    SELECT conrelid::regclass AS name, conname FROM pg_constraint
    WHERE conrelid IN ('public.client_profiles'::regclass, 'public.requests'::regclass)
      AND contype = 'n' AND conname LIKE '%\_iso\_agent\_id\_%'
  LOOP
    EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', old.name, old.conname, replace(old.conname, '_iso_agent_id_', '_user_id_'));
  END LOOP;
END
$not_null$;

COMMENT ON COLUMN public.client_profiles.user_id IS 'The user (sales rep) who manages this client';
COMMENT ON COLUMN public.requests.user_id IS 'The user (sales rep) who made this request';

-- The trigger's body names the column; it would fail with the next insert.
CREATE OR REPLACE FUNCTION public.assign_request_owner() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  AS $$
BEGIN
  IF NEW.user_id IS NULL THEN
    SELECT user_id INTO NEW.user_id FROM client_profiles WHERE id = NEW.client_profile_id;
  END IF;
  RETURN NEW;
END;
$$;

-- "Validates no orphaned records". The foreign keys forbid an orphan only if they are valid, and never a null.
DO $orphans$
DECLARE
  clients bigint;
  requests bigint;
BEGIN
  SELECT count(*) INTO clients FROM public.client_profiles AS c
  WHERE NOT EXISTS (SELECT FROM public.users AS u WHERE u.id = c.user_id);
  SELECT count(*) INTO requests FROM public.requests AS r
  WHERE NOT EXISTS (SELECT FROM public.users AS u WHERE u.id = r.user_id);
  IF clients + requests > 0 THEN
    RAISE EXCEPTION '% client profiles and % requests without a user', clients, requests;
  END IF;
END
$orphans$;

COMMIT;
