-- Takes 002 back: no topics and trends.
BEGIN;

-- Dropping a foreign key locks the table that it refers to as well. All at once and first, in the order in which the
-- application locks: what refers before what is referred to.
LOCK TABLE public.trends, public.global_topics, public.users IN ACCESS EXCLUSIVE MODE;

\ir ../lib/keep.sql
SELECT pg_temp.keep('global_topics');
SELECT pg_temp.keep('trends');
DROP FUNCTION pg_temp.keep(text);

DROP TABLE public.trends;
DROP TABLE public.global_topics;
DROP FUNCTION public.update_topic_trends();
DROP FUNCTION public.search_topics(text, integer);

DO $recorded$
BEGIN
  IF to_regclass('supabase_migrations.schema_migrations') IS NOT NULL THEN
    DELETE FROM supabase_migrations.schema_migrations WHERE version = '20260101000002';
  END IF;
END
$recorded$;
NOTIFY pgrst, 'reload schema';

COMMIT;
