-- Takes 005 back: no search for people.
BEGIN;

-- Dropping a foreign key locks the table that it refers to as well. All at once and first, in the order in which the
-- application locks: what refers before what is referred to.
LOCK TABLE public.people_search_results, public.saved_people_searches, public.users, public.workspaces IN ACCESS EXCLUSIVE MODE;

\ir ../lib/keep.sql
SELECT pg_temp.keep('people_search_results');
SELECT pg_temp.keep('saved_people_searches');
DROP FUNCTION pg_temp.keep(text);

DROP TABLE public.saved_people_searches;
DROP TABLE public.people_search_results;

DO $recorded$
BEGIN
  IF to_regclass('supabase_migrations.schema_migrations') IS NOT NULL THEN
    DELETE FROM supabase_migrations.schema_migrations WHERE version = '20260101000005';
  END IF;
END
$recorded$;
NOTIFY pgrst, 'reload schema';

COMMIT;
