-- The options hold passwords: only their hash is read, and the view gives it to whom they concern.
SELECT
    'user mapping' AS kind,
    'for ' || CASE m.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(m.usename) END AS name,
    quote_ident(m.srvname) AS "on",
    NULL AS address,
    (
        SELECT encode(sha256(convert_to(string_agg(o, E'\n' ORDER BY o COLLATE "C"), 'UTF8')), 'hex')
        FROM unnest(m.umoptions) AS o
    ) AS "hash of options"
FROM pg_user_mappings m
WHERE m.umid NOT IN (
    SELECT e.objid FROM pg_depend e
    WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_user_mapping'::regclass AND e.deptype = 'e'
)
