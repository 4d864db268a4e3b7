SELECT
    'publication' AS kind,
    quote_ident(p.pubname) AS name,
    '' AS "on",
    'pg_publication ' || p.oid AS address,
    quote_ident(pg_get_userbyid(p.pubowner)) AS owner,
    CASE WHEN p.puballtables THEN 'all tables' END AS scope,
    concat_ws(
        ', ',
        CASE WHEN p.pubinsert THEN 'insert' END,
        CASE WHEN p.pubupdate THEN 'update' END,
        CASE WHEN p.pubdelete THEN 'delete' END,
        CASE WHEN p.pubtruncate THEN 'truncate' END
    ) AS operations,
    CASE WHEN p.pubviaroot THEN 'yes' END AS "via partition root",
    NULLIF(to_jsonb(p) ->> 'pubgencols', 'n') AS "generated columns"
FROM pg_publication p
WHERE p.oid NOT IN (
    SELECT e.objid FROM pg_depend e
    WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_publication'::regclass AND e.deptype = 'e'
)
UNION ALL
SELECT
    'publication member',
    quote_ident(n.nspname) || '.' || quote_ident(c.relname),
    quote_ident(p.pubname),
    NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_publication_rel m
JOIN pg_publication p ON p.oid = m.prpubid
JOIN pg_class c ON c.oid = m.prrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
