-- How many of the migrations 004 to 007 the Supabase CLI's own list knows; it has none where the CLI was never used.
-- ts_stat runs a text as a query, which is put together when it is asked (see verify/roles.sql).
SELECT word::bigint AS known
FROM ts_stat(CASE WHEN to_regclass('supabase_migrations.schema_migrations') IS NULL
  THEN 'SELECT array_to_tsvector(ARRAY[''0''])'
  ELSE 'SELECT array_to_tsvector(ARRAY[count(*)::text]) FROM supabase_migrations.schema_migrations WHERE version IN (''004'', ''005'', ''006'', ''007'')' END)
