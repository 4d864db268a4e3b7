-- Takes 004 back: nothing is carried over any more, and the profiles that were copied are gone.
BEGIN;

LOCK TABLE public.legacy_sessions, public.legacy_users IN ACCESS EXCLUSIVE MODE;
-- Nobody hangs anything on a profile between the look below and its end, which would take it along. The order is that of the
-- new application's writes.
LOCK TABLE public.zoom_credentials, public.brand_settings, public.deliverables, public.organization_members IN SHARE ROW EXCLUSIVE MODE;

DROP TRIGGER carry_over ON public.legacy_sessions;
DROP TRIGGER carry_over ON public.legacy_users;
DROP FUNCTION public.carry_over_legacy_session(), public.carry_over_legacy_user();
DROP TABLE public.legacy_left_behind;

-- A deliverable that a trigger carried over is the old system's, too.
\ir delete_copied_deliverables.sql

-- Copied profiles that the new application did nothing with. One that it changed, or that something hangs on by now, is
-- the new application's: it stays until 001 puts it aside.
DELETE FROM public.profiles AS p
USING public.legacy_users AS l
WHERE l.id = p.id
  AND (p.name, p.created_at) IS NOT DISTINCT FROM (l.display_name, l.created_at)
  AND p.avatar_url IS NULL
  AND (p.email = l.email OR EXISTS (SELECT FROM auth.users AS u WHERE u.id = p.id AND u.email = p.email))
  AND NOT EXISTS (SELECT FROM public.deliverables AS d WHERE d.user_id = p.id)
  AND NOT EXISTS (SELECT FROM public.organization_members AS m WHERE m.user_id = p.id)
  AND NOT EXISTS (SELECT FROM public.brand_settings AS b WHERE b.user_id = p.id)
  AND NOT EXISTS (SELECT FROM public.zoom_credentials AS z WHERE z.user_id = p.id);

COMMIT;
