SELECT
    'operator class' AS kind,
    quote_ident(n.nspname) || '.' || quote_ident(c.opcname) || ' USING ' || quote_ident(m.amname) AS name,
    '' AS "on",
    'pg_opclass ' || c.oid AS address,
    quote_ident(pg_get_userbyid(c.opcowner)) AS owner,
    quote_ident(fn.nspname) || '.' || quote_ident(f.opfname) AS family,
    format_type(c.opcintype, NULL) AS type,
    format_type(NULLIF(c.opckeytype, 0), NULL) AS "key type",
    CASE WHEN c.opcdefault THEN 'yes' END AS "default for its type"
FROM pg_opclass c
JOIN pg_namespace n ON n.oid = c.opcnamespace
JOIN pg_am m ON m.oid = c.opcmethod
JOIN pg_opfamily f ON f.oid = c.opcfamily
JOIN pg_namespace fn ON fn.oid = f.opfnamespace
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND c.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_opclass'::regclass AND e.deptype = 'e'
    )
