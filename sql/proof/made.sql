-- Tables and columns that were not there at that inventory. What a partition has is counted with the table that it is a
-- part of, where that is new as well.
WITH was AS (
    SELECT * FROM unnest(%(tables)s::oid[], %(columns)s::smallint[]) AS t (oid, columns)
)
SELECT c.oid,
       a.attnum,
       CASE WHEN n.nspname = 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END || quote_ident(c.relname) AS name,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS qualified,
       quote_ident(a.attname) AS column
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN was AS w ON w.oid = c.oid
LEFT JOIN pg_attribute AS a ON w.oid IS NOT NULL AND a.attrelid = c.oid AND a.attnum > w.columns AND NOT a.attisdropped
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep') AND c.relkind IN ('r', 'm', 'p')
  AND CASE
      WHEN w.oid IS NOT NULL THEN a.attnum IS NOT NULL AND NOT c.relispartition
      ELSE NOT c.relispartition OR EXISTS (
          SELECT FROM pg_inherits AS i JOIN was AS p ON p.oid = i.inhparent WHERE i.inhrelid = c.oid
      )
  END
ORDER BY 1, 2
