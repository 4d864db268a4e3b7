-- Every table that holds rows of its own, with what is needed to read it whatever its columns' order.
SELECT
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
    c.reltuples AS estimate,
    CASE
        WHEN NOT has_schema_privilege(n.oid, 'USAGE') THEN 'no right to use its schema'
        WHEN NOT has_table_privilege(c.oid, 'SELECT') THEN 'no right to read it'
        WHEN row_security_active(c.oid) THEN 'row security hides rows from this role'
    END AS unread,
    COALESCE((
        SELECT
            json_agg(
                json_build_array(
                    quote_ident(a.attname),
                    CASE WHEN t.typtype IN ('c', 'd', 'p') THEN 'any' ELSE format_type(t.oid, NULL) END
                )
                ORDER BY a.attname COLLATE "C"
            )
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ), '[]') AS columns,
    COALESCE((
        SELECT json_agg(quote_ident(a.attname) ORDER BY k.place)
        FROM pg_index i
        CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
        WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND k.place <= i.indnkeyatts
    ), '[]') AS key
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE
    c.relkind = 'r'
    AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    -- Of an extension's tables only those whose rows are the user's, as pg_dump sees it.
    AND (
        c.oid NOT IN (
            SELECT e.objid FROM pg_depend e
            WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_class'::regclass AND e.deptype = 'e'
        )
        OR EXISTS (SELECT FROM pg_extension x WHERE c.oid = ANY (x.extconfig))
    )
