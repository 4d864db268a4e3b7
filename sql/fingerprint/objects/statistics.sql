SELECT
    'statistics object' AS kind,
    quote_ident(n.nspname) || '.' || quote_ident(s.stxname) AS name,
    quote_ident(rn.nspname) || '.' || quote_ident(r.relname) AS "on",
    'pg_statistic_ext ' || s.oid AS address,
    quote_ident(pg_get_userbyid(s.stxowner)) AS owner,
    pg_get_statisticsobjdef(s.oid) AS definition,
    NULLIF(s.stxstattarget, -1) AS "statistics target"
FROM pg_statistic_ext s
JOIN pg_namespace n ON n.oid = s.stxnamespace
JOIN pg_class r ON r.oid = s.stxrelid
JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND s.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_statistic_ext'::regclass AND e.deptype = 'e'
    )
