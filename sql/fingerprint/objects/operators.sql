SELECT
    'operator' AS kind,
    o.oid::regoperator AS name,
    '' AS "on",
    'pg_operator ' || o.oid AS address,
    quote_ident(pg_get_userbyid(o.oprowner)) AS owner,
    NULLIF(o.oprcode, 0)::regprocedure AS "function",
    format_type(o.oprresult, NULL) AS result,
    NULLIF(o.oprcom, 0)::regoperator AS commutator,
    NULLIF(o.oprnegate, 0)::regoperator AS negator,
    NULLIF(o.oprrest, 0)::regproc AS "restriction estimator",
    NULLIF(o.oprjoin, 0)::regproc AS "join estimator",
    CASE WHEN o.oprcanmerge THEN 'yes' END AS merges,
    CASE WHEN o.oprcanhash THEN 'yes' END AS hashes
FROM pg_operator o
JOIN pg_namespace n ON n.oid = o.oprnamespace
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND o.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_operator'::regclass AND e.deptype = 'e'
    )
