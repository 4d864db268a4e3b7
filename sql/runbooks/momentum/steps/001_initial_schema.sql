-- 001: profiles, deliverables, organizations and their members, brand settings; indexes, row security, grants.
BEGIN;

-- All that is made here nobody else knows yet, so nobody can wait for it. The one lock that others meet, on auth.users, is
-- taken last.

-- Nothing below calls uuid-ossp: gen_random_uuid() is in PostgreSQL itself since 13. The guide asks for it all the same,
-- so it is made where the server has it. Supabase has it already, in extensions; then it is not ours, and going back
-- leaves it alone. The comment is how rollback/001.sql knows.
DO $extension$
DECLARE
  place text := CASE WHEN to_regnamespace('extensions') IS NULL THEN 'public' ELSE 'extensions' END;
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'uuid-ossp') THEN
    RAISE NOTICE 'uuid-ossp is there already and stays as it is';
  ELSIF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'uuid-ossp') THEN
    EXECUTE format('CREATE EXTENSION "uuid-ossp" WITH SCHEMA %I', place);
    COMMENT ON EXTENSION "uuid-ossp" IS 'generate universally unique identifiers (UUIDs); made by Momentum 001';
  ELSE
    RAISE NOTICE 'this server has no uuid-ossp: left out, nothing here needs it, gen_random_uuid() is in core';
  END IF;
END
$extension$;

CREATE TABLE public.profiles (
  id uuid PRIMARY KEY,
  email text NOT NULL UNIQUE,
  name text,
  avatar_url text,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);
COMMENT ON TABLE public.profiles IS 'Who uses Momentum; extends auth.users';

CREATE TABLE public.deliverables (
  id text PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES public.profiles (id) ON DELETE CASCADE,
  client_name text NOT NULL,
  html text NOT NULL,
  created_at timestamptz DEFAULT now()
);

CREATE TABLE public.organizations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL CHECK (length(name) > 0),
  slug text UNIQUE NOT NULL,
  logo_url text,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);

CREATE TABLE public.organization_members (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL REFERENCES public.profiles (id) ON DELETE CASCADE,
  organization_id uuid NOT NULL REFERENCES public.organizations (id) ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  UNIQUE (user_id, organization_id)
);

CREATE TABLE public.brand_settings (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.profiles (id) ON DELETE CASCADE,
  primary_color text DEFAULT '#2A3EB1',
  secondary_color text DEFAULT '#4C6FE7',
  logo_url text,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);
COMMENT ON COLUMN public.brand_settings.user_id IS 'Null: the default for everybody';

CREATE INDEX idx_deliverables_user_created ON public.deliverables (user_id, created_at DESC);
CREATE INDEX idx_org_members_user ON public.organization_members (user_id);
CREATE INDEX idx_org_members_org ON public.organization_members (organization_id);

ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.deliverables ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.organization_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.brand_settings ENABLE ROW LEVEL SECURITY;

-- A policy on organization_members that reads organization_members calls itself: "infinite recursion detected in policy",
-- for every query of it, and of organizations, whose policies read it. These two read it as its owner, whom row security
-- does not hold, and tell a caller nothing but the caller's own organizations. With an empty search_path nobody can
-- put another organization_members in front.
CREATE FUNCTION public.my_organizations() RETURNS SETOF uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$
  SELECT organization_id FROM public.organization_members WHERE user_id = (SELECT auth.uid())
$$;
COMMENT ON FUNCTION public.my_organizations() IS 'Organizations that the current token''s person belongs to';

CREATE FUNCTION public.my_managed_organizations() RETURNS SETOF uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$
  SELECT organization_id FROM public.organization_members
  WHERE user_id = (SELECT auth.uid()) AND role IN ('owner', 'admin')
$$;
COMMENT ON FUNCTION public.my_managed_organizations() IS 'Organizations that the current token''s person is owner or admin of';

REVOKE ALL ON FUNCTION public.my_organizations(), public.my_managed_organizations() FROM PUBLIC, anon;
GRANT EXECUTE ON FUNCTION public.my_organizations(), public.my_managed_organizations() TO authenticated, service_role;

-- (SELECT auth.uid()) is asked once a statement, auth.uid() once a row.
CREATE POLICY "Users can view own profile" ON public.profiles
  FOR SELECT USING ((SELECT auth.uid()) = id);
CREATE POLICY "Users can update own profile" ON public.profiles
  FOR UPDATE USING ((SELECT auth.uid()) = id);

CREATE POLICY "Users can manage own deliverables" ON public.deliverables
  FOR ALL USING ((SELECT auth.uid()) = user_id);

CREATE POLICY "Members can view organization" ON public.organizations
  FOR SELECT USING (id IN (SELECT public.my_organizations()));
CREATE POLICY "Admins can update organization" ON public.organizations
  FOR UPDATE USING (id IN (SELECT public.my_managed_organizations()));

CREATE POLICY "Members can view org membership" ON public.organization_members
  FOR SELECT USING (organization_id IN (SELECT public.my_organizations()));
CREATE POLICY "Admins can manage members" ON public.organization_members
  FOR ALL USING (organization_id IN (SELECT public.my_managed_organizations()));

-- The guide has both in one policy FOR ALL, by which anybody, logged in or not, could change or delete the default.
CREATE POLICY "Users can manage own brand settings" ON public.brand_settings
  FOR ALL USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "Everybody can view default brand settings" ON public.brand_settings
  FOR SELECT USING (user_id IS NULL);

-- Supabase's default privileges give everything to everybody, TRUNCATE too, which no policy stops; where they are not
-- set, or set for another role than ours, nobody gets anything. So it is written down, by what the policies are about.
REVOKE ALL ON public.profiles, public.deliverables, public.organizations, public.organization_members,
  public.brand_settings FROM anon, authenticated;
GRANT SELECT, UPDATE ON public.profiles, public.organizations TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.deliverables, public.organization_members, public.brand_settings TO authenticated;
GRANT SELECT ON public.brand_settings TO anon;
GRANT ALL ON public.profiles, public.deliverables, public.organizations, public.organization_members,
  public.brand_settings TO service_role;

-- There is no organization yet that a verification could read. So row security is tried here, with rows that are gone
-- again before the block ends; whatever is not as it should be stops the step.
\ir 001_try_row_security.sql

-- The guide has this key in CREATE TABLE. It locks auth.users in SHARE ROW EXCLUSIVE mode: everybody reads on, nobody logs in
-- or signs up until the commit, which is next.
ALTER TABLE public.profiles
  ADD CONSTRAINT profiles_id_fkey FOREIGN KEY (id) REFERENCES auth.users (id) ON DELETE CASCADE;

COMMIT;
