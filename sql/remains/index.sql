-- What a CREATE INDEX may have made: one row for each relation of its name in its table's schema, or, where the server
-- chose the name, for each index of the table with such a name. No row: no table. An empty relation: nothing there.
SELECT
    CASE WHEN c.oid IS NOT NULL THEN format('%I.%I', n.nspname, c.relname) END AS relation,
    CASE c.relkind
        WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
        WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type'
        WHEN 'i' THEN 'index' WHEN 'I' THEN 'partitioned index'
    END AS kind,
    i.indrelid = t.oid AS of_table,
    i.indisvalid AS valid,
    i.indisunique = %(unique)s::bool
        AND a.amname = %(method)s
        AND (i.indpred IS NOT NULL) = %(partial)s::bool
        AND (
            SELECT jsonb_agg(f.attname ORDER BY k.position)
            FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
            LEFT JOIN pg_attribute AS f ON f.attrelid = i.indrelid AND f.attnum = k.attnum AND k.attnum <> 0
        ) = %(columns)s::jsonb AS alike,
    -- Its end would be told by the session that builds it.
    (
        SELECT min(p.pid)
        FROM pg_stat_progress_create_index AS p
        WHERE p.relid = t.oid AND p.datname = current_database() AND p.pid <> pg_backend_pid()
    ) AS builder
FROM pg_class AS t
LEFT JOIN pg_class AS c ON c.relnamespace = t.relnamespace
    AND CASE WHEN %(index)s::name IS NULL
        THEN c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = t.oid) AND c.relname ~ '_idx\d*$'
        ELSE c.relname = %(index)s::name
    END
LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
LEFT JOIN pg_am AS a ON a.oid = c.relam
WHERE t.oid = to_regclass(%(table)s)
ORDER BY c.relname
