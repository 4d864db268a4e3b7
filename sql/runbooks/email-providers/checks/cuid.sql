-- How many of a thousand ids are different, made as our triggers make them: with an empty search_path. ts_stat plans the
-- text it is given only when it runs (see verify/rls_tenant.sql). Nothing if the function is not there.
WITH found AS MATERIALIZED (
  SELECT format('%I.%I()', n.nspname, p.proname) AS call, current_setting('search_path') AS path
  FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE p.oid = to_regprocedure('generate_cuid()')
), bare AS MATERIALIZED (
  SELECT found.call, set_config('search_path', '', true) AS path FROM found
), made AS MATERIALIZED (
  SELECT count(*) AS ids
  FROM bare, LATERAL ts_stat(CASE WHEN bare.path = '' THEN format('SELECT array_to_tsvector(ARRAY[%s]) FROM generate_series(1, 1000)', bare.call) END)
)
SELECT made.ids, set_config('search_path', (SELECT path FROM found), true) AS path FROM made
