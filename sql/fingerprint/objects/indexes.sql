-- The definition of a constraint's index is the constraint's, but for its options.
SELECT
    'index' AS kind,
    quote_ident(c.relname) AS name,
    quote_ident(n.nspname) || '.' || quote_ident(r.relname) AS "on",
    'pg_class ' || c.oid AS address,
    CASE WHEN con.oid IS NULL THEN pg_get_indexdef(c.oid) END AS definition,
    CASE WHEN con.oid IS NOT NULL AND c.reloptions IS NOT NULL
        THEN (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(c.reloptions) AS o)
    END AS options,
    quote_ident(s.spcname) AS tablespace,
    CASE WHEN NOT i.indisvalid THEN 'not valid' END AS validity,
    CASE WHEN NOT i.indisready THEN 'not ready' END AS readiness,
    CASE WHEN i.indisclustered THEN 'yes' END AS clustered,
    CASE WHEN i.indisreplident THEN 'yes' END AS "replica identity",
    quote_ident(pn.nspname) || '.' || quote_ident(p.relname) AS "partition of",
    targets.list AS "statistics targets"
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class r ON r.oid = i.indrelid
JOIN pg_namespace n ON n.oid = r.relnamespace
LEFT JOIN pg_constraint con ON con.conindid = c.oid AND con.conrelid = r.oid AND con.contype IN ('p', 'u', 'x')
LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
LEFT JOIN pg_inherits h ON h.inhrelid = c.oid
LEFT JOIN pg_class p ON p.oid = h.inhparent
LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace
LEFT JOIN (
    SELECT a.attrelid, string_agg(a.attnum || ': ' || a.attstattarget, ', ' ORDER BY a.attnum) AS list
    FROM pg_attribute a
    JOIN pg_class ac ON ac.oid = a.attrelid
    WHERE a.attstattarget >= 0 AND a.attnum > 0 AND ac.relkind IN ('i', 'I')
    GROUP BY a.attrelid
) targets ON targets.attrelid = c.oid
WHERE
    c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND r.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_class'::regclass AND e.deptype = 'e'
    )
