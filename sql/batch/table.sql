-- The table that a batch names, under the search_path of now.
SELECT
    c.oid,
    format('%I.%I', n.nspname, c.relname) AS name,
    c.relkind IN ('r', 'p') AS is_table,
    c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = c.oid) AS has_children
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(%(table)s)
