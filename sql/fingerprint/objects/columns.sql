-- Columns of tables and views, attributes of composite types. The position counts the live ones alone: attnum keeps
-- the dropped ones' places, which a dump does not.
SELECT
    CASE c.relkind WHEN 'c' THEN 'attribute' ELSE 'column' END AS kind,
    c.name || '.' || quote_ident(a.attname) AS name,
    c.name AS "on",
    'pg_class ' || a.attrelid || ' ' || a.attnum AS address,
    a.attnum - CASE WHEN a.attrelid IN (SELECT g.attrelid FROM pg_attribute g WHERE g.attisdropped)
        THEN (
            SELECT count(*)
            FROM pg_attribute g
            WHERE g.attrelid = a.attrelid AND g.attnum > 0 AND g.attnum < a.attnum AND g.attisdropped
        )
        ELSE 0
    END AS position,
    format_type(a.atttypid, a.atttypmod) AS type,
    CASE WHEN a.attcollation <> t.typcollation
        THEN (
            SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
            FROM pg_collation co
            JOIN pg_namespace cn ON cn.oid = co.collnamespace
            WHERE co.oid = a.attcollation
        )
    END AS collation,
    CASE WHEN a.attstorage <> t.typstorage
        THEN CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'x' THEN 'extended' ELSE 'main' END
    END AS storage,
    CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS compression,
    CASE WHEN a.atthasdef AND a.attgenerated = ''
        THEN (
            -- A default names no column: the table need not be looked at.
            SELECT pg_get_expr(d.adbin, 0)
            FROM pg_attrdef d
            WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum
        )
    END AS "default",
    CASE WHEN a.attgenerated <> ''
        THEN (
            SELECT pg_get_expr(d.adbin, d.adrelid) || CASE a.attgenerated WHEN 's' THEN ' stored' ELSE ' virtual' END
            FROM pg_attrdef d
            WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum
        )
    END AS generated,
    CASE WHEN a.attnotnull THEN 'yes' END AS "not null",
    CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
    NULLIF(a.attstattarget, -1) AS "statistics target",
    CASE WHEN a.attoptions IS NOT NULL
        THEN (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(a.attoptions) AS o)
    END AS options,
    CASE WHEN a.attfdwoptions IS NOT NULL
        THEN (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(a.attfdwoptions) AS o)
    END AS "foreign options",
    CASE WHEN a.attinhcount > 0 AND NOT a.attislocal THEN 'inherited' END AS origin
FROM (
    SELECT c.oid, c.relkind, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_type t ON t.typrelid = c.oid AND c.relkind = 'c'
    WHERE
        c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
        AND c.relpersistence <> 't'
        AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
        AND c.oid NOT IN (
            SELECT e.objid FROM pg_depend e
            WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_class'::regclass AND e.deptype = 'e'
        )
        AND COALESCE(t.oid, 0) NOT IN (
            SELECT e.objid FROM pg_depend e
            WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_type'::regclass AND e.deptype = 'e'
        )
) c
JOIN pg_attribute a ON a.attrelid = c.oid
JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attnum > 0 AND NOT a.attisdropped
