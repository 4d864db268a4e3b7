-- 005: people that somebody searched for, and searches for people that somebody saved.
BEGIN;

\ir ../lib/put_back.sql

CREATE TABLE public.people_search_results (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL DEFAULT public.get_user_workspace_id()
    CONSTRAINT people_search_results_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  user_id uuid NOT NULL DEFAULT public.get_user_id(),
  person_data jsonb NOT NULL CONSTRAINT people_search_results_person_data_object CHECK (jsonb_typeof(person_data) = 'object'),
  email_revealed_at timestamptz,
  created_by uuid DEFAULT public.get_user_id()
    CONSTRAINT people_search_results_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT people_search_results_user_id_fkey FOREIGN KEY (workspace_id, user_id)
    REFERENCES public.users (workspace_id, id) ON DELETE CASCADE,
  -- The whole workspace reads person_data, so an address that nobody has paid for must not be in it.
  CONSTRAINT people_search_results_email_paid CHECK (email_revealed_at IS NOT NULL OR NOT person_data ? 'email')
);
COMMENT ON TABLE public.people_search_results IS 'People that a search found';
COMMENT ON COLUMN public.people_search_results.person_data IS 'Details of the person; email only once it is revealed';

CREATE TABLE public.saved_people_searches (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL DEFAULT public.get_user_workspace_id()
    CONSTRAINT saved_people_searches_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  user_id uuid NOT NULL DEFAULT public.get_user_id(),
  name text NOT NULL CONSTRAINT saved_people_searches_name_not_empty CHECK (name ~ '[^[:space:]]'),
  filters jsonb NOT NULL DEFAULT '{}' CONSTRAINT saved_people_searches_filters_object CHECK (jsonb_typeof(filters) = 'object'),
  next_run_at timestamptz,
  created_by uuid DEFAULT public.get_user_id()
    CONSTRAINT saved_people_searches_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT saved_people_searches_user_id_fkey FOREIGN KEY (workspace_id, user_id)
    REFERENCES public.users (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.saved_people_searches IS 'Filters for people to use again; with next_run_at they run by themselves';

SELECT pg_temp.put_back('people_search_results');
SELECT pg_temp.put_back('saved_people_searches');
DROP FUNCTION pg_temp.put_back(text, text);

CREATE INDEX idx_people_search_results_workspace_id ON public.people_search_results (workspace_id);
CREATE INDEX idx_people_search_results_user_id ON public.people_search_results (user_id);
CREATE INDEX idx_people_search_results_created_by ON public.people_search_results (created_by);
CREATE INDEX idx_people_search_results_person_data ON public.people_search_results USING gin (person_data);
CREATE INDEX idx_people_search_results_created_at ON public.people_search_results (workspace_id, created_at DESC);
CREATE INDEX idx_saved_people_searches_workspace_id ON public.saved_people_searches (workspace_id);
CREATE INDEX idx_saved_people_searches_user_id ON public.saved_people_searches (user_id);
CREATE INDEX idx_saved_people_searches_created_by ON public.saved_people_searches (created_by);
CREATE INDEX idx_saved_people_searches_filters ON public.saved_people_searches USING gin (filters);
CREATE INDEX idx_saved_people_searches_created_at ON public.saved_people_searches (workspace_id, created_at DESC);
CREATE INDEX idx_saved_people_searches_next_run_at ON public.saved_people_searches (next_run_at) WHERE next_run_at IS NOT NULL;

CREATE TRIGGER set_people_search_results_updated_at BEFORE UPDATE ON public.people_search_results
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE TRIGGER set_saved_people_searches_updated_at BEFORE UPDATE ON public.saved_people_searches
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

REVOKE ALL ON public.people_search_results, public.saved_people_searches FROM PUBLIC, anon, authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.people_search_results, public.saved_people_searches TO service_role;
GRANT SELECT, DELETE ON public.people_search_results TO authenticated;
GRANT SELECT, INSERT (workspace_id, name, filters, next_run_at), UPDATE (name, filters, next_run_at), DELETE
  ON public.saved_people_searches TO authenticated;

ALTER TABLE public.people_search_results ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.saved_people_searches ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Workspace isolation" ON public.people_search_results TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));
CREATE POLICY "Workspace isolation" ON public.saved_people_searches TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));

DO $recorded$
BEGIN
  IF to_regclass('supabase_migrations.schema_migrations') IS NOT NULL THEN
    INSERT INTO supabase_migrations.schema_migrations (version, name) VALUES ('20260101000005', 'people_search');
  END IF;
END
$recorded$;
NOTIFY pgrst, 'reload schema';

COMMIT;
