-- 001: workspaces and the people in them, and whose workspace a token's bearer is in.
BEGIN;

\ir ../lib/put_back.sql

CREATE TABLE public.workspaces (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL CONSTRAINT workspaces_name_not_empty CHECK (name ~ '[^[:space:]]'),
  slug text NOT NULL CONSTRAINT workspaces_slug_key UNIQUE
    CONSTRAINT workspaces_slug_format CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
  plan text NOT NULL DEFAULT 'free' CONSTRAINT workspaces_plan_known CHECK (plan IN ('free', 'pro', 'enterprise')),
  query_limit integer NOT NULL DEFAULT 3 CONSTRAINT workspaces_query_limit_positive CHECK (query_limit >= 0),
  branding jsonb NOT NULL DEFAULT '{}' CONSTRAINT workspaces_branding_object CHECK (jsonb_typeof(branding) = 'object'),
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.workspaces IS 'The tenants: each row of every other table but global_topics and trends is in one';
COMMENT ON COLUMN public.workspaces.query_limit IS 'How many queries may be active at once; set with the plan';
COMMENT ON COLUMN public.workspaces.branding IS 'Theme colours and logos';

CREATE TABLE public.users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL CONSTRAINT users_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  auth_user_id uuid NOT NULL CONSTRAINT users_auth_user_id_key UNIQUE,
  -- May be null: an account made by telephone has no address. What GoTrue takes, this takes: quotes, umlauts, any domain.
  email text CONSTRAINT users_email_format CHECK (
    email ~ '^[^@[:space:]]+@[^@[:space:].]+(\.[^@[:space:].]+)+$' AND char_length(email) <= 320),
  full_name text CONSTRAINT users_full_name_not_empty CHECK (full_name ~ '[^[:space:]]'),
  avatar_url text,
  daily_credit_limit integer NOT NULL DEFAULT 10 CONSTRAINT users_daily_credit_limit_positive CHECK (daily_credit_limit >= 0),
  daily_credits_used integer NOT NULL DEFAULT 0 CONSTRAINT users_daily_credits_used_positive CHECK (daily_credits_used >= 0),
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  -- Rows that belong to a person refer to both columns, so they cannot be in another workspace than the person.
  CONSTRAINT users_workspace_id_id_key UNIQUE (workspace_id, id)
);
COMMENT ON TABLE public.users IS 'People in workspaces; one account is in one workspace';
COMMENT ON COLUMN public.users.daily_credits_used IS 'Since 00:00 UTC; see reset_daily_credits()';

SELECT pg_temp.put_back('workspaces');
SELECT pg_temp.put_back('users', 'NOT EXISTS (SELECT FROM auth.users AS a WHERE a.id = r.auth_user_id)');
DROP FUNCTION pg_temp.put_back(text, text);

-- Only now: a workspace is made by somebody who is in it, so each of the two tables refers to the other. Whose account
-- has gone while their rows were kept has made nothing any more.
UPDATE public.workspaces AS w SET created_by = NULL
WHERE created_by IS NOT NULL AND NOT EXISTS (SELECT FROM public.users AS u WHERE u.id = w.created_by);
UPDATE public.users AS p SET created_by = NULL
WHERE created_by IS NOT NULL AND NOT EXISTS (SELECT FROM public.users AS u WHERE u.id = p.created_by);
ALTER TABLE public.workspaces ADD CONSTRAINT workspaces_created_by_fkey
  FOREIGN KEY (created_by) REFERENCES public.users (id) ON DELETE SET NULL;
ALTER TABLE public.users ADD CONSTRAINT users_created_by_fkey
  FOREIGN KEY (created_by) REFERENCES public.users (id) ON DELETE SET NULL;

CREATE INDEX idx_workspaces_created_by ON public.workspaces (created_by);
CREATE INDEX idx_workspaces_created_at ON public.workspaces (created_at DESC);
CREATE INDEX idx_users_workspace_id ON public.users (workspace_id);
CREATE INDEX idx_users_created_by ON public.users (created_by);
CREATE INDEX idx_users_email ON public.users (lower(email));
CREATE INDEX idx_users_created_at ON public.users (workspace_id, created_at DESC);

CREATE FUNCTION public.set_updated_at() RETURNS trigger
  LANGUAGE plpgsql SET search_path = ''
  AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END;
$$;
CREATE TRIGGER set_workspaces_updated_at BEFORE UPDATE ON public.workspaces
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE TRIGGER set_users_updated_at BEFORE UPDATE ON public.users
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

-- Row security asks these two. They run as their owner and so past the policy on users: the guide's policy, which reads
-- users itself, would call itself without end.
CREATE FUNCTION public.get_user_workspace_id() RETURNS uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$ SELECT u.workspace_id FROM public.users AS u WHERE u.auth_user_id = auth.uid() $$;
COMMENT ON FUNCTION public.get_user_workspace_id() IS 'The workspace of the token''s bearer, null for a stranger';

CREATE FUNCTION public.get_user_id() RETURNS uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$ SELECT u.id FROM public.users AS u WHERE u.auth_user_id = auth.uid() $$;
COMMENT ON FUNCTION public.get_user_id() IS 'The row in users of the token''s bearer, null for a stranger';

ALTER TABLE public.workspaces ALTER COLUMN created_by SET DEFAULT public.get_user_id();
ALTER TABLE public.users ALTER COLUMN created_by SET DEFAULT public.get_user_id();

-- Cron, daily at 00:00. Whoever used nothing is left alone: a row written for nothing is WAL and vacuum for nothing.
CREATE FUNCTION public.reset_daily_credits() RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
DECLARE
  people integer;
BEGIN
  UPDATE public.users SET daily_credits_used = 0 WHERE daily_credits_used <> 0;
  GET DIAGNOSTICS people = ROW_COUNT;
  RETURN people;
END;
$$;
COMMENT ON FUNCTION public.reset_daily_credits() IS 'Cron, daily at 00:00 UTC; gives how many people had used credits';

-- A Supabase project gives ALL on whatever is new in public to anon and authenticated, and EXECUTE to everybody.
REVOKE ALL ON public.workspaces, public.users FROM PUBLIC, anon, authenticated;
REVOKE ALL ON FUNCTION public.set_updated_at(), public.get_user_workspace_id(), public.get_user_id(),
  public.reset_daily_credits() FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.get_user_workspace_id(), public.get_user_id() TO authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.reset_daily_credits() TO service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.workspaces, public.users TO service_role;

-- By column: plan, limits and used credits are for the server to write, or anybody could give themselves more.
GRANT SELECT, UPDATE (name, branding) ON public.workspaces TO authenticated;
GRANT SELECT, UPDATE (full_name, avatar_url) ON public.users TO authenticated;

ALTER TABLE public.workspaces ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;
-- (SELECT …) makes it a call a statement and not a call a row.
CREATE POLICY "Workspace isolation" ON public.workspaces TO authenticated
  USING (id = (SELECT public.get_user_workspace_id()));
CREATE POLICY "Workspace isolation" ON public.users TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));
CREATE POLICY "Own profile" ON public.users AS RESTRICTIVE FOR UPDATE TO authenticated
  USING (auth_user_id = (SELECT auth.uid()));

-- The Supabase CLI asks this table what is still to be run; without the row the next db push runs the file again.
DO $recorded$
BEGIN
  IF to_regclass('supabase_migrations.schema_migrations') IS NOT NULL THEN
    INSERT INTO supabase_migrations.schema_migrations (version, name) VALUES ('20260101000001', 'init_core_tables');
  END IF;
END
$recorded$;

-- PostgREST keeps what it knows of the schema; without this the API does not know the new tables.
NOTIFY pgrst, 'reload schema';

-- Last, because of all tables that others use it locks the one there is: from here to COMMIT nobody signs up or in. What
-- is locked by then is new and nobody's, so while it waits for this lock it stands in nobody else's way. Rows that were put
-- back are checked meanwhile: one by one, and not by reading all accounts.
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
ALTER TABLE public.users ADD CONSTRAINT users_auth_user_id_fkey
  FOREIGN KEY (auth_user_id) REFERENCES auth.users (id) ON DELETE CASCADE;

COMMIT;
