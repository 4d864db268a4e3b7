SELECT
    'foreign-data wrapper' AS kind,
    quote_ident(w.fdwname) AS name,
    '' AS "on",
    'pg_foreign_data_wrapper ' || w.oid AS address,
    quote_ident(pg_get_userbyid(w.fdwowner)) AS owner,
    NULLIF(w.fdwhandler, 0)::regprocedure AS handler,
    NULLIF(w.fdwvalidator, 0)::regprocedure AS validator,
    (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(w.fdwoptions) AS o) AS options
FROM pg_foreign_data_wrapper w
WHERE w.oid NOT IN (
    SELECT e.objid FROM pg_depend e
    WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_foreign_data_wrapper'::regclass AND e.deptype = 'e'
)
