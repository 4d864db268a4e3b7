-- Relations as the statistics know them: sizes that nobody has to wait for. reltuples is -1 where none were ever taken.
SELECT CASE
           WHEN n.nspname = 'public' THEN quote_ident(c.relname)
           ELSE quote_ident(n.nspname) || '.' || quote_ident(c.relname)
       END AS name,
       c.relpages::bigint * current_setting('block_size')::bigint AS bytes,
       CASE WHEN c.reltuples >= 0 AND c.relkind IN ('r', 'm', 'p') THEN c.reltuples::bigint END AS rows,
       c.relkind IN ('i', 'I') AS index
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
  AND c.relkind IN ('r', 'm', 'p', 'i', 'I', 'v', 'S', 'f')
ORDER BY 1
