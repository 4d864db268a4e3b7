-- Relations as the statistics know them: sizes that nobody has to wait for. reltuples is -1 where none were ever taken,
-- relpages -1 where a partitioned table's were: it is as large as its partitions.
WITH RECURSIVE part AS (
    SELECT i.inhparent AS whole, i.inhrelid AS part
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhparent AND c.relkind IN ('p', 'I')
    UNION ALL
    SELECT p.whole, i.inhrelid
    FROM part AS p
    JOIN pg_inherits AS i ON i.inhparent = p.part
), whole AS (
    SELECT p.whole, sum(greatest(c.relpages, 0)) AS pages
    FROM part AS p
    JOIN pg_class AS c ON c.oid = p.part
    GROUP BY p.whole
)
SELECT CASE
           WHEN n.nspname = 'public' THEN quote_ident(c.relname)
           ELSE quote_ident(n.nspname) || '.' || quote_ident(c.relname)
       END AS name,
       coalesce(w.pages, greatest(c.relpages, 0))::bigint * current_setting('block_size')::bigint AS bytes,
       CASE WHEN c.reltuples >= 0 AND c.relkind IN ('r', 'm', 'p') THEN c.reltuples::bigint END AS rows,
       c.relkind IN ('i', 'I') AS index
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN whole AS w ON w.whole = c.oid
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
  AND c.relkind IN ('r', 'm', 'p', 'i', 'I', 'v', 'S', 'f')
ORDER BY 1
