-- Publications that would send the new tables to a subscriber, Supabase Realtime among them, from the moment they are
-- there. Whole schemas can be published since PostgreSQL 15; see verify/recorded.sql for ts_stat.
SELECT pubname::text AS publication, 'all tables' AS what FROM pg_publication WHERE puballtables
UNION ALL
SELECT word, 'all tables of public'
FROM ts_stat(CASE WHEN to_regclass('pg_catalog.pg_publication_namespace') IS NULL THEN 'SELECT to_tsvector(''simple'', '''')'
  ELSE 'SELECT array_to_tsvector(ARRAY[p.pubname::text]) FROM pg_catalog.pg_publication_namespace AS n
    JOIN pg_publication AS p ON p.oid = n.pnpubid WHERE n.pnnspid = ''public''::regnamespace' END)
