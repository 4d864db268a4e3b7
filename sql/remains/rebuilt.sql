-- Invalid indexes that REINDEX CONCURRENTLY left: …_ccnew it did not finish, …_ccold it had already replaced.
WITH RECURSIVE named (oid) AS (
    SELECT to_regclass(%(relation)s)::oid
    WHERE %(what)s::text IN ('index', 'table')
    UNION
    -- Of something partitioned, each part is rebuilt by itself.
    SELECT h.inhrelid
    FROM named
    JOIN pg_class AS c ON c.oid = named.oid AND c.relkind IN ('p', 'I')
    JOIN pg_inherits AS h ON h.inhparent = c.oid
),
owner (oid) AS (
    SELECT named.oid FROM named WHERE %(what)s::text = 'table'
    UNION
    SELECT i.indrelid FROM named JOIN pg_index AS i ON i.indexrelid = named.oid
    UNION
    SELECT c.oid
    FROM pg_class AS c
    WHERE c.relkind IN ('r', 'm', 't')
        AND CASE %(what)s::text
            WHEN 'schema' THEN c.relnamespace = to_regnamespace(%(relation)s)
            WHEN 'database' THEN true
            ELSE false
        END
),
rebuilt (oid) AS (
    SELECT oid FROM owner
    UNION
    SELECT c.reltoastrelid
    FROM owner
    JOIN pg_class AS c ON c.oid = owner.oid AND c.reltoastrelid <> 0
    WHERE %(what)s::text <> 'index'
)
SELECT
    format('%I.%I', n.nspname, c.relname) AS relation,
    c.relname ~ '_ccold\d*$' AS replaced,
    CASE WHEN n.nspname = 'pg_toast' THEN (
        SELECT format('%I.%I', tn.nspname, t.relname)
        FROM pg_class AS t
        JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
        WHERE t.reltoastrelid = i.indrelid
    ) END AS toast_of,
    (
        SELECT min(p.pid)
        FROM pg_stat_progress_create_index AS p
        WHERE p.relid = i.indrelid AND p.datname = current_database() AND p.pid <> pg_backend_pid()
    ) AS builder
FROM rebuilt
JOIN pg_index AS i ON i.indrelid = rebuilt.oid AND NOT i.indisvalid
JOIN pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i' AND c.relname ~ '_cc(new|old)\d*$'
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE %(what)s::text <> 'index'
    OR EXISTS (
        SELECT
        FROM named
        JOIN pg_class AS o ON o.oid = named.oid AND o.relnamespace = c.relnamespace
        CROSS JOIN regexp_replace(c.relname::text, '_cc(new|old)\d*$', '') AS base
        -- A name that would be longer than 63 bytes is cut before the suffix, at a whole character.
        WHERE o.relname::text = base OR (starts_with(o.relname::text, base) AND octet_length(c.relname::text) >= 60)
    )
ORDER BY n.nspname, c.relname
