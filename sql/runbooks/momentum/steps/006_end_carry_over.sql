-- 006: two weeks later the old application is gone; nothing is carried over any more. Its tables and legacy_left_behind stay.
BEGIN;

-- The same order as in 004.
LOCK TABLE public.legacy_sessions, public.legacy_users IN ACCESS EXCLUSIVE MODE;

DROP TRIGGER carry_over ON public.legacy_sessions;
DROP TRIGGER carry_over ON public.legacy_users;
DROP FUNCTION public.carry_over_legacy_session(), public.carry_over_legacy_user();

COMMIT;
