SELECT
    'schema' AS kind,
    quote_ident(n.nspname) AS name,
    '' AS "on",
    'pg_namespace ' || n.oid AS address,
    quote_ident(pg_get_userbyid(n.nspowner)) AS owner
FROM pg_namespace n
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND n.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_namespace'::regclass AND e.deptype = 'e'
    )
