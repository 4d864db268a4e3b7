SELECT
    'large objects' AS kind,
    'of ' || quote_ident(pg_get_userbyid(l.lomowner)) AS name,
    '' AS "on",
    NULL AS address,
    count(*) AS number
FROM pg_largeobject_metadata l
GROUP BY l.lomowner
