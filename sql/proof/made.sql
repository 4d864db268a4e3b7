-- Tables and columns that were not there at that inventory. A partition is counted with the table that it is a part of.
WITH was AS (
    SELECT * FROM unnest(%(tables)s::oid[], %(columns)s::smallint[]) AS t (oid, columns)
)
SELECT c.oid,
       a.attnum,
       CASE WHEN n.nspname = 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END || quote_ident(c.relname) AS name,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS qualified,
       quote_ident(a.attname) AS column,
       pg_table_size(c.oid) AS bytes
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN was AS w ON w.oid = c.oid
LEFT JOIN pg_attribute AS a ON w.oid IS NOT NULL AND a.attrelid = c.oid AND a.attnum > w.columns AND NOT a.attisdropped
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep') AND c.relkind IN ('r', 'm', 'p')
  AND NOT c.relispartition AND (w.oid IS NULL OR a.attnum IS NOT NULL)
ORDER BY 1, 2
