-- 003: queries that look for leads, and searches that somebody saved.
BEGIN;

\ir ../lib/put_back.sql

CREATE TYPE public.query_status AS ENUM ('active', 'paused', 'completed');
COMMENT ON TYPE public.query_status IS 'Only an active query runs and counts for the plan''s limit';

CREATE TABLE public.queries (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL DEFAULT public.get_user_workspace_id()
    CONSTRAINT queries_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  -- A topic that somebody follows cannot be taken away from under them.
  topic_id uuid NOT NULL CONSTRAINT queries_topic_id_fkey REFERENCES public.global_topics (id) ON DELETE RESTRICT,
  name text NOT NULL CONSTRAINT queries_name_not_empty CHECK (name ~ '[^[:space:]]'),
  filters jsonb NOT NULL DEFAULT '{}' CONSTRAINT queries_filters_object CHECK (jsonb_typeof(filters) = 'object'),
  status public.query_status NOT NULL DEFAULT 'active',
  leads_this_week integer NOT NULL DEFAULT 0 CONSTRAINT queries_leads_this_week_positive CHECK (leads_this_week >= 0),
  total_leads integer NOT NULL DEFAULT 0 CONSTRAINT queries_total_leads_positive CHECK (total_leads >= 0),
  last_run_at timestamptz,
  next_run_at timestamptz DEFAULT now(),
  created_by uuid DEFAULT public.get_user_id() CONSTRAINT queries_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  -- Leads refer to both columns, so they cannot be in another workspace than their query.
  CONSTRAINT queries_workspace_id_id_key UNIQUE (workspace_id, id)
);
COMMENT ON TABLE public.queries IS 'What a workspace looks for: a topic and filters';
COMMENT ON COLUMN public.queries.leads_this_week IS 'Since Monday 00:00 UTC; see reset_weekly_lead_counts()';

CREATE TABLE public.saved_searches (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL DEFAULT public.get_user_workspace_id()
    CONSTRAINT saved_searches_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  name text NOT NULL CONSTRAINT saved_searches_name_not_empty CHECK (name ~ '[^[:space:]]'),
  filters jsonb NOT NULL DEFAULT '{}' CONSTRAINT saved_searches_filters_object CHECK (jsonb_typeof(filters) = 'object'),
  next_run_at timestamptz,
  created_by uuid DEFAULT public.get_user_id() CONSTRAINT saved_searches_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.saved_searches IS 'Filters to use again; with next_run_at they run by themselves';

SELECT pg_temp.put_back('queries');
SELECT pg_temp.put_back('saved_searches');
DROP FUNCTION pg_temp.put_back(text, text);

CREATE INDEX idx_queries_workspace_id ON public.queries (workspace_id);
CREATE INDEX idx_queries_topic_id ON public.queries (topic_id);
CREATE INDEX idx_queries_created_by ON public.queries (created_by);
CREATE INDEX idx_queries_filters ON public.queries USING gin (filters);
CREATE INDEX idx_queries_created_at ON public.queries (workspace_id, created_at DESC);
CREATE INDEX idx_queries_next_run_at ON public.queries (next_run_at) WHERE status = 'active';
CREATE INDEX idx_saved_searches_workspace_id ON public.saved_searches (workspace_id);
CREATE INDEX idx_saved_searches_created_by ON public.saved_searches (created_by);
CREATE INDEX idx_saved_searches_filters ON public.saved_searches USING gin (filters);
CREATE INDEX idx_saved_searches_created_at ON public.saved_searches (workspace_id, created_at DESC);
CREATE INDEX idx_saved_searches_next_run_at ON public.saved_searches (next_run_at) WHERE next_run_at IS NOT NULL;

CREATE TRIGGER set_queries_updated_at BEFORE UPDATE ON public.queries
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE TRIGGER set_saved_searches_updated_at BEFORE UPDATE ON public.saved_searches
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

-- Whoever has a token is told of the own workspace only; without one it is the server that asks.
CREATE FUNCTION public.check_query_limit(workspace_id uuid DEFAULT public.get_user_workspace_id()) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$
  SELECT coalesce((
    SELECT (SELECT count(*) FROM public.queries AS q WHERE q.workspace_id = w.id AND q.status = 'active') < w.query_limit
    FROM public.workspaces AS w
    WHERE w.id = check_query_limit.workspace_id AND (auth.uid() IS NULL OR w.id = public.get_user_workspace_id())
  ), false)
$$;
COMMENT ON FUNCTION public.check_query_limit(uuid) IS 'Whether one more query may be active in this workspace';

-- Asked before the insert alone the limit is a wish: two at once both hear yes, and PostgREST lets anybody insert without
-- asking. The workspace's row is locked, so the second waits and counts the first.
CREATE FUNCTION public.enforce_query_limit() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
BEGIN
  PERFORM FROM public.workspaces AS w WHERE w.id = NEW.workspace_id FOR NO KEY UPDATE;
  IF NOT public.check_query_limit(NEW.workspace_id) THEN
    RAISE EXCEPTION 'the limit of active queries of this workspace is reached'
      USING ERRCODE = 'check_violation', HINT = 'Pause a query or take a larger plan.';
  END IF;
  RETURN NEW;
END;
$$;
CREATE TRIGGER enforce_query_limit_on_insert BEFORE INSERT ON public.queries
  FOR EACH ROW WHEN (NEW.status = 'active') EXECUTE FUNCTION public.enforce_query_limit();
CREATE TRIGGER enforce_query_limit_on_resume BEFORE UPDATE OF status ON public.queries
  FOR EACH ROW WHEN (NEW.status = 'active' AND OLD.status <> 'active') EXECUTE FUNCTION public.enforce_query_limit();

-- Cron, weekly.
CREATE FUNCTION public.reset_weekly_lead_counts() RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
DECLARE
  reset integer;
BEGIN
  UPDATE public.queries SET leads_this_week = 0 WHERE leads_this_week <> 0;
  GET DIAGNOSTICS reset = ROW_COUNT;
  RETURN reset;
END;
$$;
COMMENT ON FUNCTION public.reset_weekly_lead_counts() IS 'Cron, weekly on Monday at 00:00 UTC; gives how many queries had found leads';

REVOKE ALL ON public.queries, public.saved_searches FROM PUBLIC, anon, authenticated;
REVOKE ALL ON FUNCTION public.check_query_limit(uuid), public.enforce_query_limit(), public.reset_weekly_lead_counts()
  FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.check_query_limit(uuid) TO authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.reset_weekly_lead_counts() TO service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.queries, public.saved_searches TO service_role;
-- Counts and run times are the server's; who made a row is told by its default.
GRANT SELECT, INSERT (workspace_id, topic_id, name, filters, status), UPDATE (topic_id, name, filters, status), DELETE
  ON public.queries TO authenticated;
GRANT SELECT, INSERT (workspace_id, name, filters, next_run_at), UPDATE (name, filters, next_run_at), DELETE
  ON public.saved_searches TO authenticated;

ALTER TABLE public.queries ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.saved_searches ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Workspace isolation" ON public.queries TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));
CREATE POLICY "Workspace isolation" ON public.saved_searches TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));

DO $recorded$
BEGIN
  IF to_regclass('supabase_migrations.schema_migrations') IS NOT NULL THEN
    INSERT INTO supabase_migrations.schema_migrations (version, name) VALUES ('20260101000003', 'query_system');
  END IF;
END
$recorded$;
NOTIFY pgrst, 'reload schema';

COMMIT;
