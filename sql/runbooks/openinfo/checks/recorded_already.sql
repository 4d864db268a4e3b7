-- What the Supabase CLI has on record at or after our first migration. One of ours: somebody has run it, or only says so.
-- A later one: the CLI would refuse ours as out of order. See verify/recorded.sql for ts_stat.
SELECT word AS version
FROM ts_stat(CASE WHEN to_regclass('supabase_migrations.schema_migrations') IS NULL THEN 'SELECT to_tsvector(''simple'', '''')'
  ELSE 'SELECT array_to_tsvector(ARRAY[version]) FROM supabase_migrations.schema_migrations WHERE version >= ''20260101000001''' END)
ORDER BY 1
