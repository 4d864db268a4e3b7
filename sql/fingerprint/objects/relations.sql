-- Tables, views, materialized views and foreign tables. An absent fact is PostgreSQL's default.
SELECT
    CASE c.relkind
        WHEN 'r' THEN 'table'
        WHEN 'p' THEN 'partitioned table'
        WHEN 'v' THEN 'view'
        WHEN 'm' THEN 'materialized view'
        ELSE 'foreign table'
    END AS kind,
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
    '' AS "on",
    'pg_class ' || c.oid AS address,
    quote_ident(pg_get_userbyid(c.relowner)) AS owner,
    CASE c.relpersistence WHEN 'u' THEN 'unlogged' END AS persistence,
    CASE WHEN m.amname <> 'heap' THEN quote_ident(m.amname) END AS "access method",
    CASE WHEN c.reloptions IS NOT NULL
        THEN (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(c.reloptions) AS o)
    END AS options,
    CASE WHEN toast.reloptions IS NOT NULL
        THEN (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(toast.reloptions) AS o)
    END AS "toast options",
    quote_ident(s.spcname) AS tablespace,
    CASE WHEN c.relkind IN ('r', 'p', 'm')
        THEN CASE c.relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full' WHEN 'i' THEN 'an index' END
    END AS "replica identity",
    CASE WHEN c.relrowsecurity THEN 'enabled' END AS "row security",
    CASE WHEN c.relforcerowsecurity THEN 'yes' END AS "row security for the owner",
    CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS "partition key",
    CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END AS "partition bounds",
    CASE WHEN c.relispartition THEN parents.names END AS "partition of",
    CASE WHEN NOT c.relispartition THEN parents.names END AS "inheritance",
    CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END AS "row type",
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS definition,
    CASE WHEN NOT c.relispopulated THEN 'without data' END AS content,
    quote_ident(fs.srvname) AS server,
    CASE WHEN ft.ftoptions IS NOT NULL
        THEN (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(ft.ftoptions) AS o)
    END AS "foreign options"
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am m ON m.oid = c.relam
LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid
LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
LEFT JOIN pg_foreign_table ft ON ft.ftrelid = c.oid
LEFT JOIN pg_foreign_server fs ON fs.oid = ft.ftserver
LEFT JOIN (
    SELECT
        i.inhrelid,
        string_agg(
            quote_ident(pn.nspname) || '.' || quote_ident(p.relname)
            || CASE WHEN i.inhdetachpending THEN ' (detach pending)' ELSE '' END,
            ', ' ORDER BY i.inhseqno
        ) AS names
    FROM pg_inherits i
    JOIN pg_class p ON p.oid = i.inhparent
    JOIN pg_namespace pn ON pn.oid = p.relnamespace
    GROUP BY i.inhrelid
) parents ON parents.inhrelid = c.oid
WHERE
    c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND c.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_class'::regclass AND e.deptype = 'e'
    )
