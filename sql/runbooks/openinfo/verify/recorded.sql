-- Migrations that the Supabase CLI would run again; none where the project has no such table. ts_stat runs a text as a
-- query, because a table that is not there cannot be named in one.
SELECT due.version
FROM (VALUES ('20260101000001'), ('20260101000002'), ('20260101000003'), ('20260101000004'), ('20260101000005'),
  ('20260101000006')) AS due (version)
WHERE to_regclass('supabase_migrations.schema_migrations') IS NOT NULL
  AND due.version NOT IN (
    SELECT word FROM ts_stat(CASE
      WHEN to_regclass('supabase_migrations.schema_migrations') IS NULL THEN 'SELECT to_tsvector(''simple'', '''')'
      ELSE 'SELECT array_to_tsvector(ARRAY[version]) FROM supabase_migrations.schema_migrations WHERE version <> ''''' END))
ORDER BY 1
