-- 004: the pipeline of leads, what credits went for, and exports.
BEGIN;

\ir ../lib/put_back.sql

CREATE TYPE public.enrichment_status AS ENUM ('pending', 'enriching', 'enriched', 'failed');
CREATE TYPE public.delivery_status AS ENUM ('pending', 'delivered', 'failed');
CREATE TYPE public.export_status AS ENUM ('pending', 'processing', 'completed', 'failed');
COMMENT ON TYPE public.enrichment_status IS 'How far a lead''s contact is looked up';
COMMENT ON TYPE public.delivery_status IS 'Whether a lead reached the workspace''s integrations';
COMMENT ON TYPE public.export_status IS 'How far an export is';

CREATE TABLE public.leads (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL DEFAULT public.get_user_workspace_id()
    CONSTRAINT leads_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  query_id uuid NOT NULL,
  company_data jsonb NOT NULL DEFAULT '{}' CONSTRAINT leads_company_data_object CHECK (jsonb_typeof(company_data) = 'object'),
  contact_data jsonb NOT NULL DEFAULT '{}' CONSTRAINT leads_contact_data_object CHECK (jsonb_typeof(contact_data) = 'object'),
  score integer CONSTRAINT leads_score_range CHECK (score BETWEEN 0 AND 100),
  enrichment_status public.enrichment_status NOT NULL DEFAULT 'pending',
  delivery_status public.delivery_status NOT NULL DEFAULT 'pending',
  attempts integer NOT NULL DEFAULT 0 CONSTRAINT leads_attempts_positive CHECK (attempts >= 0),
  last_error text,
  enriched_at timestamptz,
  delivered_at timestamptz,
  created_by uuid DEFAULT public.get_user_id() CONSTRAINT leads_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  -- A foreign key looks past row security: by query_id alone a lead could hang on another workspace's query.
  CONSTRAINT leads_query_id_fkey FOREIGN KEY (workspace_id, query_id)
    REFERENCES public.queries (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.leads IS 'Companies that a query found';
COMMENT ON COLUMN public.leads.company_data IS 'The company, from DataShopper';
COMMENT ON COLUMN public.leads.contact_data IS 'The contact, from Clay';

CREATE TABLE public.credit_usage (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL DEFAULT public.get_user_workspace_id()
    CONSTRAINT credit_usage_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  user_id uuid NOT NULL,
  action text NOT NULL CONSTRAINT credit_usage_action_not_empty CHECK (action ~ '[^[:space:]]'),
  credits integer NOT NULL CONSTRAINT credit_usage_credits_positive CHECK (credits > 0),
  reference_id uuid,
  metadata jsonb NOT NULL DEFAULT '{}' CONSTRAINT credit_usage_metadata_object CHECK (jsonb_typeof(metadata) = 'object'),
  created_by uuid DEFAULT public.get_user_id() CONSTRAINT credit_usage_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT credit_usage_user_id_fkey FOREIGN KEY (workspace_id, user_id)
    REFERENCES public.users (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.credit_usage IS 'What credits went for; written by record_credit_usage() alone';
COMMENT ON COLUMN public.credit_usage.reference_id IS 'The lead, person or export that was paid for; may be gone since';

CREATE TABLE public.export_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL DEFAULT public.get_user_workspace_id()
    CONSTRAINT export_jobs_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  user_id uuid NOT NULL DEFAULT public.get_user_id(),
  status public.export_status NOT NULL DEFAULT 'pending',
  export_format text NOT NULL DEFAULT 'csv' CONSTRAINT export_jobs_export_format_known CHECK (export_format IN ('csv', 'json')),
  filters jsonb NOT NULL DEFAULT '{}' CONSTRAINT export_jobs_filters_object CHECK (jsonb_typeof(filters) = 'object'),
  row_count integer CONSTRAINT export_jobs_row_count_positive CHECK (row_count >= 0),
  file_path text CONSTRAINT export_jobs_file_path_not_empty CHECK (file_path ~ '[^[:space:]]'),
  error text,
  completed_at timestamptz,
  expires_at timestamptz,
  expired_at timestamptz,
  created_by uuid DEFAULT public.get_user_id() CONSTRAINT export_jobs_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT export_jobs_user_id_fkey FOREIGN KEY (workspace_id, user_id)
    REFERENCES public.users (workspace_id, id) ON DELETE CASCADE,
  CONSTRAINT export_jobs_completed_has_time CHECK (status <> 'completed' OR completed_at IS NOT NULL)
);
COMMENT ON TABLE public.export_jobs IS 'Exports that somebody asked for';
COMMENT ON COLUMN public.export_jobs.file_path IS 'In the bucket exports; null once the file is deleted';
COMMENT ON COLUMN public.export_jobs.expired_at IS 'When cleanup_expired_exports() closed it';

SELECT pg_temp.put_back('leads');
SELECT pg_temp.put_back('credit_usage');
SELECT pg_temp.put_back('export_jobs');
DROP FUNCTION pg_temp.put_back(text, text);

CREATE INDEX idx_leads_workspace_id ON public.leads (workspace_id);
CREATE INDEX idx_leads_query_id ON public.leads (query_id);
CREATE INDEX idx_leads_created_by ON public.leads (created_by);
CREATE INDEX idx_leads_company_data ON public.leads USING gin (company_data);
CREATE INDEX idx_leads_contact_data ON public.leads USING gin (contact_data);
CREATE INDEX idx_leads_created_at ON public.leads (workspace_id, created_at DESC);
CREATE INDEX idx_leads_pending ON public.leads (created_at) WHERE enrichment_status IN ('pending', 'enriching');
CREATE INDEX idx_credit_usage_workspace_id ON public.credit_usage (workspace_id);
CREATE INDEX idx_credit_usage_user_id ON public.credit_usage (user_id);
CREATE INDEX idx_credit_usage_created_by ON public.credit_usage (created_by);
CREATE INDEX idx_credit_usage_created_at ON public.credit_usage (workspace_id, created_at DESC);
CREATE INDEX idx_export_jobs_workspace_id ON public.export_jobs (workspace_id);
CREATE INDEX idx_export_jobs_user_id ON public.export_jobs (user_id);
CREATE INDEX idx_export_jobs_created_by ON public.export_jobs (created_by);
CREATE INDEX idx_export_jobs_filters ON public.export_jobs USING gin (filters);
CREATE INDEX idx_export_jobs_created_at ON public.export_jobs (workspace_id, created_at DESC);
CREATE INDEX idx_export_jobs_expires_at ON public.export_jobs (expires_at) WHERE file_path IS NOT NULL;

CREATE TRIGGER set_leads_updated_at BEFORE UPDATE ON public.leads
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE TRIGGER set_credit_usage_updated_at BEFORE UPDATE ON public.credit_usage
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE TRIGGER set_export_jobs_updated_at BEFORE UPDATE ON public.export_jobs
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

-- Whoever has a token is told of people in the own workspace only; without one it is the server that asks. A guess for
-- the screen: what counts is record_credit_usage(), which takes them in the same moment.
CREATE FUNCTION public.check_credits_available(user_id uuid DEFAULT public.get_user_id(), credits integer DEFAULT 1)
  RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$
  SELECT coalesce((
    SELECT check_credits_available.credits > 0
      AND u.daily_credits_used::bigint + check_credits_available.credits <= u.daily_credit_limit
    FROM public.users AS u
    WHERE u.id = check_credits_available.user_id
      AND (auth.uid() IS NULL OR u.workspace_id = public.get_user_workspace_id())
  ), false)
$$;
COMMENT ON FUNCTION public.check_credits_available(uuid, integer) IS 'Whether this person has that many credits left today';

-- For the server alone. Checking and taking are one UPDATE: of two at once the second waits for the first and counts it.
-- The row is written first, because everybody else locks credit_usage before users, too; what fails takes it back.
CREATE FUNCTION public.record_credit_usage(
  user_id uuid, action text, credits integer DEFAULT 1, reference_id uuid DEFAULT NULL, metadata jsonb DEFAULT '{}'
) RETURNS uuid
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
#variable_conflict use_column
DECLARE
  usage uuid;
BEGIN
  -- A negative number would give credits.
  IF coalesce(record_credit_usage.credits, 0) <= 0 THEN
    RAISE EXCEPTION 'credits are a positive number' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO public.credit_usage (workspace_id, user_id, action, credits, reference_id, metadata, created_by)
  SELECT u.workspace_id, u.id, record_credit_usage.action, record_credit_usage.credits, record_credit_usage.reference_id,
    coalesce(record_credit_usage.metadata, '{}'), u.id
  FROM public.users AS u WHERE u.id = record_credit_usage.user_id
  RETURNING id INTO usage;
  IF usage IS NULL THEN
    RAISE EXCEPTION 'there is no such user' USING ERRCODE = 'no_data_found';
  END IF;
  UPDATE public.users AS u SET daily_credits_used = u.daily_credits_used + record_credit_usage.credits
  WHERE u.id = record_credit_usage.user_id
    AND u.daily_credits_used::bigint + record_credit_usage.credits <= u.daily_credit_limit;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'not enough credits left today' USING ERRCODE = 'check_violation';
  END IF;
  RETURN usage;
END;
$$;
COMMENT ON FUNCTION public.record_credit_usage(uuid, text, integer, uuid, jsonb) IS
  'Takes credits and writes down what for; fails if too few are left';

-- Cron, daily. Closes exports whose time is over and gives the files that are still to be deleted. SQL cannot delete
-- them: without its row in storage.objects a file stays in the object store for ever, and newer projects refuse it. The
-- server deletes each through the Storage API and then sets file_path to null; until then it is named every day.
CREATE FUNCTION public.cleanup_expired_exports() RETURNS TABLE (export_job_id uuid, file_path text)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
#variable_conflict use_column
BEGIN
  UPDATE public.export_jobs SET expired_at = now() WHERE expires_at < now() AND expired_at IS NULL;
  RETURN QUERY
    SELECT e.id, e.file_path FROM public.export_jobs AS e
    WHERE e.expired_at IS NOT NULL AND e.file_path IS NOT NULL ORDER BY e.expires_at, e.id;
END;
$$;
COMMENT ON FUNCTION public.cleanup_expired_exports() IS 'Cron, daily; closes expired exports and gives the files of the bucket exports to delete';

REVOKE ALL ON public.leads, public.credit_usage, public.export_jobs FROM PUBLIC, anon, authenticated;
REVOKE ALL ON FUNCTION public.check_credits_available(uuid, integer),
  public.record_credit_usage(uuid, text, integer, uuid, jsonb), public.cleanup_expired_exports() FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.check_credits_available(uuid, integer) TO authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.record_credit_usage(uuid, text, integer, uuid, jsonb), public.cleanup_expired_exports()
  TO service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.leads, public.credit_usage, public.export_jobs TO service_role;
-- Leads come from the pipeline, usage from the function: people read them, and may throw a lead away.
GRANT SELECT, DELETE ON public.leads TO authenticated;
GRANT SELECT ON public.credit_usage TO authenticated;
GRANT SELECT, INSERT (workspace_id, export_format, filters) ON public.export_jobs TO authenticated;

ALTER TABLE public.leads ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.credit_usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.export_jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Workspace isolation" ON public.leads TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));
CREATE POLICY "Workspace isolation" ON public.credit_usage TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));
CREATE POLICY "Workspace isolation" ON public.export_jobs TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));

DO $recorded$
BEGIN
  IF to_regclass('supabase_migrations.schema_migrations') IS NOT NULL THEN
    INSERT INTO supabase_migrations.schema_migrations (version, name) VALUES ('20260101000004', 'lead_system');
  END IF;
END
$recorded$;
NOTIFY pgrst, 'reload schema';

COMMIT;
