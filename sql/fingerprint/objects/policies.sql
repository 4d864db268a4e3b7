SELECT
    'policy' AS kind,
    quote_ident(p.polname) AS name,
    quote_ident(n.nspname) || '.' || quote_ident(r.relname) AS "on",
    'pg_policy ' || p.oid AS address,
    CASE p.polcmd
        WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all'
    END AS command,
    CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END AS effect,
    (
        SELECT string_agg(line, ', ' ORDER BY line COLLATE "C")
        FROM unnest(p.polroles) AS o
        CROSS JOIN LATERAL (SELECT CASE o WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o)) END AS line) l
    ) AS roles,
    pg_get_expr(p.polqual, p.polrelid) AS "using",
    pg_get_expr(p.polwithcheck, p.polrelid) AS "with check"
FROM pg_policy p
JOIN pg_class r ON r.oid = p.polrelid
JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND r.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_class'::regclass AND e.deptype = 'e'
    )
    AND p.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_policy'::regclass AND e.deptype = 'e'
    )
