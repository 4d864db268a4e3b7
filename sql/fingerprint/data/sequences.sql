SELECT
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
    s.seqincrement AS increment,
    CASE
        WHEN NOT has_schema_privilege(n.oid, 'USAGE') THEN 'no right to use its schema'
        WHEN NOT has_sequence_privilege(c.oid, 'SELECT') THEN 'no right to read it'
    END AS unread
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE
    c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND c.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_class'::regclass AND e.deptype = 'e'
    )
