SELECT
    'transform' AS kind,
    'for ' || format_type(t.trftype, NULL) || ' language ' || quote_ident(l.lanname) AS name,
    '' AS "on",
    'pg_transform ' || t.oid AS address,
    NULLIF(t.trffromsql, 0)::regprocedure AS "from SQL",
    NULLIF(t.trftosql, 0)::regprocedure AS "to SQL"
FROM pg_transform t
JOIN pg_language l ON l.oid = t.trflang
WHERE t.oid NOT IN (
    SELECT e.objid FROM pg_depend e
    WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_transform'::regclass AND e.deptype = 'e'
)
