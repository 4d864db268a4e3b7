SELECT
    'server' AS kind,
    quote_ident(s.srvname) AS name,
    '' AS "on",
    'pg_foreign_server ' || s.oid AS address,
    quote_ident(pg_get_userbyid(s.srvowner)) AS owner,
    quote_ident(w.fdwname) AS "foreign-data wrapper",
    s.srvtype AS type,
    s.srvversion AS version,
    (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(s.srvoptions) AS o) AS options
FROM pg_foreign_server s
JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
WHERE s.oid NOT IN (
    SELECT e.objid FROM pg_depend e
    WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_foreign_server'::regclass AND e.deptype = 'e'
)
