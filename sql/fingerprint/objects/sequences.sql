SELECT
    'sequence' AS kind,
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
    '' AS "on",
    'pg_class ' || c.oid AS address,
    quote_ident(pg_get_userbyid(c.relowner)) AS owner,
    CASE c.relpersistence WHEN 'u' THEN 'unlogged' END AS persistence,
    format_type(s.seqtypid, NULL) AS type,
    s.seqstart AS start,
    s.seqincrement AS increment,
    s.seqmin AS minimum,
    s.seqmax AS maximum,
    s.seqcache AS cache,
    CASE WHEN s.seqcycle THEN 'yes' END AS cycle,
    quote_ident(rn.nspname) || '.' || quote_ident(r.relname) || '.' || quote_ident(a.attname) AS "owning column",
    CASE d.deptype WHEN 'i' THEN 'yes' END AS "identity sequence"
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d
    ON
        d.classid = 'pg_class'::regclass
        AND d.objid = c.oid
        AND d.objsubid = 0
        AND d.refclassid = 'pg_class'::regclass
        AND d.refobjsubid <> 0
        AND d.deptype IN ('a', 'i')
LEFT JOIN pg_class r ON r.oid = d.refobjid
LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE
    c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND c.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_class'::regclass AND e.deptype = 'e'
    )
