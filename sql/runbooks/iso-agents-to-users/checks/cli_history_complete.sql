-- How many of 004 to 007 the Supabase CLI would run once more: those that its own list does not know; none without it.
SELECT word::bigint AS missing
FROM ts_stat(CASE WHEN to_regclass('supabase_migrations.schema_migrations') IS NULL
  THEN 'SELECT array_to_tsvector(ARRAY[''0''])'
  ELSE 'SELECT array_to_tsvector(ARRAY[(4 - count(*))::text]) FROM supabase_migrations.schema_migrations WHERE version IN (''004'', ''005'', ''006'', ''007'')' END)
