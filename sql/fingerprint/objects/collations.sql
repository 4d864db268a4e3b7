-- The locale's column is another one from release to release. The version is the operating system's.
SELECT
    'collation' AS kind,
    quote_ident(n.nspname) || '.' || quote_ident(c.collname) AS name,
    '' AS "on",
    'pg_collation ' || c.oid AS address,
    quote_ident(pg_get_userbyid(c.collowner)) AS owner,
    CASE c.collprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'default' END AS provider,
    COALESCE(j ->> 'colllocale', j ->> 'colliculocale') AS locale,
    c.collcollate AS "lc_collate",
    c.collctype AS "lc_ctype",
    j ->> 'collicurules' AS rules,
    CASE WHEN NOT c.collisdeterministic THEN 'no' END AS "deterministic"
FROM pg_collation c
JOIN pg_namespace n ON n.oid = c.collnamespace
CROSS JOIN LATERAL to_jsonb(c) AS j
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND c.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_collation'::regclass AND e.deptype = 'e'
    )
