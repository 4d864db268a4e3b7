SELECT
    'conversion' AS kind,
    quote_ident(n.nspname) || '.' || quote_ident(c.conname) AS name,
    '' AS "on",
    'pg_conversion ' || c.oid AS address,
    quote_ident(pg_get_userbyid(c.conowner)) AS owner,
    pg_encoding_to_char(c.conforencoding) AS "from",
    pg_encoding_to_char(c.contoencoding) AS "to",
    c.conproc::regprocedure AS "function",
    CASE WHEN c.condefault THEN 'yes' END AS "default conversion"
FROM pg_conversion c
JOIN pg_namespace n ON n.oid = c.connamespace
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND c.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_conversion'::regclass AND e.deptype = 'e'
    )
