-- Operators and support functions of every family that has one of the user's: also those added to PostgreSQL's own.
SELECT
    'operator family' AS kind,
    quote_ident(n.nspname) || '.' || quote_ident(f.opfname) || ' USING ' || quote_ident(m.amname) AS name,
    '' AS "on",
    'pg_opfamily ' || f.oid AS address,
    quote_ident(pg_get_userbyid(f.opfowner)) AS owner,
    (
        SELECT
            string_agg(
                line || COALESCE(' ORDER BY ' || quote_ident(sn.nspname) || '.' || quote_ident(s.opfname), ''),
                E'\n' ORDER BY line COLLATE "C"
            )
        FROM pg_amop o
        CROSS JOIN LATERAL (SELECT o.amopstrategy || ' ' || o.amopopr::regoperator AS line) l
        LEFT JOIN pg_opfamily s ON s.oid = o.amopsortfamily
        LEFT JOIN pg_namespace sn ON sn.oid = s.opfnamespace
        WHERE o.amopfamily = f.oid AND o.oid >= 16384
    ) AS operators,
    (
        SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C")
        FROM pg_amproc p
        CROSS JOIN LATERAL (
            SELECT
                p.amprocnum || ' (' || format_type(p.amproclefttype, NULL) || ', '
                || format_type(p.amprocrighttype, NULL) || ') ' || p.amproc::regprocedure AS line
        ) l
        WHERE p.amprocfamily = f.oid AND p.oid >= 16384
    ) AS functions
FROM pg_opfamily f
JOIN pg_namespace n ON n.oid = f.opfnamespace
JOIN pg_am m ON m.oid = f.opfmethod
WHERE
    (
        n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
        OR EXISTS (
            SELECT FROM pg_amop o
            WHERE o.amopfamily = f.oid AND o.oid >= 16384
            AND NOT EXISTS (
                SELECT FROM pg_depend e
                JOIN pg_depend x ON x.classid = e.refclassid AND x.objid = e.refobjid AND x.deptype = 'e'
                WHERE e.classid = 'pg_amop'::regclass AND e.objid = o.oid
            )
        )
    )
    AND f.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_opfamily'::regclass AND e.deptype = 'e'
    )
