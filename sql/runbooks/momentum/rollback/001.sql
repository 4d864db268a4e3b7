-- Takes 001 back: the five tables, the helper functions and the extension, if 001 made it.
BEGIN;

-- Organizations before members, as the new application's policies go. auth.users is taken last, by the DROP TABLE: harder
-- than for making the key, so that nobody reads it, and only until the commit, which is next.
LOCK TABLE public.organizations, public.organization_members, public.brand_settings, public.deliverables, public.profiles
  IN ACCESS EXCLUSIVE MODE;

-- What the old system has is not kept twice: 005 and 004 have taken back what they had copied.
\ir keep.sql
SELECT pg_temp.keep('profiles', 'SELECT * FROM public.profiles');
SELECT pg_temp.keep('organizations', 'SELECT * FROM public.organizations');
SELECT pg_temp.keep('organization_members', 'SELECT * FROM public.organization_members');
SELECT pg_temp.keep('deliverables', 'SELECT * FROM public.deliverables');
SELECT pg_temp.keep('brand_settings', 'SELECT * FROM public.brand_settings');
DROP FUNCTION pg_temp.keep(text, text);

-- The tables' policies use them.
DROP POLICY "Members can view organization" ON public.organizations;
DROP POLICY "Admins can update organization" ON public.organizations;
DROP POLICY "Members can view org membership" ON public.organization_members;
DROP POLICY "Admins can manage members" ON public.organization_members;
DROP FUNCTION public.my_organizations(), public.my_managed_organizations();

-- Only the extension that 001 made bears this comment. What somebody has built on it since is worth more than its absence.
DO $extension$
BEGIN
  IF EXISTS (SELECT FROM pg_extension AS e
             WHERE extname = 'uuid-ossp' AND obj_description(e.oid, 'pg_extension') LIKE '%; made by Momentum 001') THEN
    DROP EXTENSION "uuid-ossp";
  END IF;
EXCEPTION
  WHEN dependent_objects_still_exist THEN
    RAISE NOTICE 'uuid-ossp stays, because something else uses it by now';
END
$extension$;

-- In one statement, whatever depends on what. The guide drops them one by one, and its second is refused: its policies on
-- organizations read organization_members. CASCADE would also take what somebody else hung on these tables since.
DROP TABLE public.brand_settings, public.organization_members, public.organizations, public.deliverables, public.profiles;

COMMIT;
