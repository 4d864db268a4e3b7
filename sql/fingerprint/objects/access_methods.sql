SELECT
    'access method' AS kind,
    quote_ident(m.amname) AS name,
    '' AS "on",
    'pg_am ' || m.oid AS address,
    CASE m.amtype WHEN 'i' THEN 'index' ELSE 'table' END AS type,
    m.amhandler::regprocedure AS handler
FROM pg_am m
WHERE
    m.oid >= 16384
    AND m.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_am'::regclass AND e.deptype = 'e'
    )
