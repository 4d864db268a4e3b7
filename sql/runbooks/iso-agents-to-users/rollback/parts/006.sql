ALTER TABLE public.client_profiles RENAME COLUMN user_id TO iso_agent_id;
ALTER TABLE public.requests RENAME COLUMN user_id TO iso_agent_id;
ALTER VIEW public.request_summary RENAME COLUMN user_id TO iso_agent_id;

ALTER INDEX public.idx_client_profiles_user_id RENAME TO idx_client_profiles_iso_agent_id;
ALTER INDEX public.idx_requests_user_id RENAME TO idx_requests_iso_agent_id;
ALTER INDEX public.idx_requests_user_id_created_at RENAME TO idx_requests_iso_agent_id_created_at;
ALTER TABLE public.client_profiles RENAME CONSTRAINT client_profiles_user_id_fkey TO client_profiles_iso_agent_id_fkey;
ALTER TABLE public.requests RENAME CONSTRAINT requests_user_id_fkey TO requests_iso_agent_id_fkey;

DO $not_null$
DECLARE
  new record;
BEGIN
  FOR new IN
    SELECT conrelid::regclass AS name, conname FROM pg_constraint
    WHERE conrelid IN ('public.client_profiles'::regclass, 'public.requests'::regclass)
      AND contype = 'n' AND conname LIKE '%\_user\_id\_%'
  LOOP
    EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', new.name, new.conname, replace(new.conname, '_user_id_', '_iso_agent_id_'));
  END LOOP;
END
$not_null$;

COMMENT ON COLUMN public.client_profiles.iso_agent_id IS 'The ISO agent who manages this client';
COMMENT ON COLUMN public.requests.iso_agent_id IS 'The ISO agent who made this request';

CREATE OR REPLACE FUNCTION public.assign_request_owner() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  AS $$
BEGIN
  IF NEW.iso_agent_id IS NULL THEN
    SELECT iso_agent_id INTO NEW.iso_agent_id FROM client_profiles WHERE id = NEW.client_profile_id;
  END IF;
  RETURN NEW;
END;
$$;
