-- Takes 001 back: no workspaces and users. Nobody signs up or in until COMMIT: the accounts lose a foreign key.
BEGIN;

LOCK TABLE public.users, public.workspaces IN ACCESS EXCLUSIVE MODE;

\ir ../lib/keep.sql
SELECT pg_temp.keep('workspaces');
SELECT pg_temp.keep('users');
DROP FUNCTION pg_temp.keep(text);

DO $recorded$
BEGIN
  IF to_regclass('supabase_migrations.schema_migrations') IS NOT NULL THEN
    DELETE FROM supabase_migrations.schema_migrations WHERE version = '20260101000001';
  END IF;
END
$recorded$;
NOTIFY pgrst, 'reload schema';

-- The two tables refer to each other.
ALTER TABLE public.workspaces DROP CONSTRAINT workspaces_created_by_fkey;

-- As late as it can be: this locks auth.users, against reading as well.
ALTER TABLE public.users DROP CONSTRAINT users_auth_user_id_fkey;
DROP TABLE public.users;
DROP TABLE public.workspaces;
DROP FUNCTION public.reset_daily_credits();
DROP FUNCTION public.get_user_id();
DROP FUNCTION public.get_user_workspace_id();
DROP FUNCTION public.set_updated_at();

COMMIT;
