-- ALTER FUNCTION, TRIGGER, INDEX, MATERIALIZED VIEW … DEPENDS ON EXTENSION: what goes with the extension that it names.
SELECT
    'dependency' AS kind,
    i.type || ' ' || i.identity AS name,
    'extension ' || quote_ident(e.extname) AS "on",
    NULL AS address
FROM pg_depend d
JOIN pg_extension e ON e.oid = d.refobjid
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS i
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'x'
