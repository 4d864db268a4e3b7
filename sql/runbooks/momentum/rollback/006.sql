-- Takes 006 back: what the old application writes is carried over again. What it wrote in between is not.
BEGIN;

LOCK TABLE public.legacy_sessions, public.legacy_users IN ACCESS EXCLUSIVE MODE;

\ir ../steps/004_carry_over.sql

COMMIT;
