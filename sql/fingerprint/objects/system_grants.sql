-- PostgreSQL's own objects whose grants are not those that initdb gave them. Of information_schema initdb keeps none.
SELECT
    'system relation' AS kind,
    c.oid::regclass::text AS name,
    '' AS "on",
    NULL AS address,
    (SELECT string_agg(o::text, E'\n' ORDER BY o::text COLLATE "C") FROM unnest(c.relacl) AS o) AS "access privileges"
FROM pg_class c
LEFT JOIN pg_init_privs i ON i.classoid = 'pg_class'::regclass AND i.objoid = c.oid AND i.objsubid = 0
WHERE
    c.oid < 16384
    AND c.relnamespace = 'pg_catalog'::regnamespace
    AND NOT (
        COALESCE(c.relacl, '{}') @> COALESCE(i.initprivs, '{}')
        AND COALESCE(c.relacl, '{}') <@ COALESCE(i.initprivs, '{}')
    )
UNION ALL
SELECT
    'system function',
    p.oid::regprocedure::text,
    '',
    NULL,
    (SELECT string_agg(o::text, E'\n' ORDER BY o::text COLLATE "C") FROM unnest(p.proacl) AS o)
FROM pg_proc p
LEFT JOIN pg_init_privs i ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid
WHERE
    p.oid < 16384
    AND p.pronamespace = 'pg_catalog'::regnamespace
    AND NOT (
        COALESCE(p.proacl, '{}') @> COALESCE(i.initprivs, '{}')
        AND COALESCE(p.proacl, '{}') <@ COALESCE(i.initprivs, '{}')
    )
