SELECT
    'language' AS kind,
    quote_ident(l.lanname) AS name,
    '' AS "on",
    'pg_language ' || l.oid AS address,
    quote_ident(pg_get_userbyid(l.lanowner)) AS owner,
    CASE WHEN l.lanpltrusted THEN 'yes' ELSE 'no' END AS trusted,
    NULLIF(l.lanplcallfoid, 0)::regprocedure AS handler,
    NULLIF(l.laninline, 0)::regprocedure AS "inline handler",
    NULLIF(l.lanvalidator, 0)::regprocedure AS validator
FROM pg_language l
WHERE
    l.oid >= 16384
    AND l.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_language'::regclass AND e.deptype = 'e'
    )
