-- Takes 003 back: no queries and saved searches. The tables go before the functions that their triggers call.
BEGIN;

-- Dropping a foreign key locks the table that it refers to as well. All at once and first, in the order in which the
-- application locks: what refers before what is referred to.
LOCK TABLE public.queries, public.saved_searches, public.global_topics, public.users, public.workspaces IN ACCESS EXCLUSIVE MODE;

\ir ../lib/keep.sql
SELECT pg_temp.keep('queries');
SELECT pg_temp.keep('saved_searches');
DROP FUNCTION pg_temp.keep(text);

DROP TABLE public.saved_searches;
DROP TABLE public.queries;
DROP FUNCTION public.reset_weekly_lead_counts();
DROP FUNCTION public.enforce_query_limit();
DROP FUNCTION public.check_query_limit(uuid);
DROP TYPE public.query_status;

DO $recorded$
BEGIN
  IF to_regclass('supabase_migrations.schema_migrations') IS NOT NULL THEN
    DELETE FROM supabase_migrations.schema_migrations WHERE version = '20260101000003';
  END IF;
END
$recorded$;
NOTIFY pgrst, 'reload schema';

COMMIT;
