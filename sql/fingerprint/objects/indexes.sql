-- The definition of a constraint's index is the constraint's, but for its options.
SELECT
    'index' AS kind,
    quote_ident(c.relname) AS name,
    quote_ident(n.nspname) || '.' || quote_ident(r.relname) AS "on",
    'pg_class ' || c.oid AS address,
    CASE
        WHEN con.oid IS NOT NULL THEN NULL
        -- The most common is a B-tree of one column, and what the server would print of that is known.
        WHEN
            i.indnatts = 1 AND i.indoption[0] = 0 AND i.indexprs IS NULL AND NOT i.nulls_not_distinct
            AND c.relkind = 'i' AND c.reloptions IS NULL AND i.indcollation[0] = a.attcollation
            AND (a.atttypid, i.indclass[0]) IN (
                SELECT x.type, o.oid
                FROM pg_opclass o
                JOIN pg_am m ON m.oid = o.opcmethod
                CROSS JOIN LATERAL (
                    SELECT o.opcintype AS type UNION ALL SELECT 'varchar'::regtype WHERE o.opcintype = 'text'::regtype
                ) x
                WHERE m.amname = 'btree' AND o.opcdefault
                -- One of the user's for the same type may be the default.
                AND NOT EXISTS (SELECT FROM pg_opclass u WHERE u.oid >= 16384 AND u.opcdefault)
            )
            THEN
                CASE WHEN i.indisunique THEN 'CREATE UNIQUE INDEX ' ELSE 'CREATE INDEX ' END || quote_ident(c.relname)
                || ' ON ' || quote_ident(n.nspname) || '.' || quote_ident(r.relname)
                || ' USING btree (' || quote_ident(a.attname) || ')'
                || COALESCE(' WHERE ' || pg_get_expr(i.indpred, i.indrelid), '')
        ELSE pg_get_indexdef(c.oid)
    END AS definition,
    CASE WHEN con.oid IS NOT NULL AND c.reloptions IS NOT NULL
        THEN (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(c.reloptions) AS o)
    END AS options,
    quote_ident(s.spcname) AS tablespace,
    CASE WHEN NOT i.indisvalid THEN 'not valid' END AS validity,
    CASE WHEN NOT i.indisready THEN 'not ready' END AS readiness,
    CASE WHEN i.indisclustered THEN 'yes' END AS clustered,
    CASE WHEN i.indisreplident THEN 'yes' END AS "replica identity",
    quote_ident(pn.nspname) || '.' || quote_ident(p.relname) AS "partition of",
    -- Only expressions have one.
    CASE WHEN i.indexprs IS NOT NULL
        THEN (
            SELECT string_agg(x.attnum || ': ' || x.attstattarget, ', ' ORDER BY x.attnum)
            FROM pg_attribute x
            WHERE x.attrelid = c.oid AND x.attstattarget >= 0
        )
    END AS "statistics targets"
-- Before release 15 the catalog has no such column: a name is looked for in the innermost query first.
FROM (VALUES (false)) AS missing (indnullsnotdistinct)
CROSS JOIN LATERAL (SELECT i.*, indnullsnotdistinct AS nulls_not_distinct FROM pg_index i) i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class r ON r.oid = i.indrelid
JOIN pg_namespace n ON n.oid = r.relnamespace
LEFT JOIN pg_constraint con ON con.conindid = c.oid AND con.conrelid = r.oid AND con.contype IN ('p', 'u', 'x')
LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
LEFT JOIN pg_inherits h ON h.inhrelid = c.oid
LEFT JOIN pg_class p ON p.oid = h.inhparent
LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE
    c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND r.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_class'::regclass AND e.deptype = 'e'
    )
