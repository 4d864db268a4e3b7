-- What the server itself makes with a range type is left out. The body of an SQL-standard function is parsed.
SELECT
    CASE p.prokind
        WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' WHEN 'w' THEN 'window function' ELSE 'function'
    END AS kind,
    quote_ident(n.nspname) || '.' || quote_ident(p.proname)
    || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name,
    '' AS "on",
    'pg_proc ' || p.oid AS address,
    quote_ident(pg_get_userbyid(p.proowner)) AS owner,
    pg_get_function_arguments(p.oid) AS arguments,
    pg_get_function_result(p.oid) AS result,
    quote_ident(l.lanname) AS language,
    pg_get_function_sqlbody(p.oid) AS definition,
    CASE WHEN p.prokind <> 'a' AND pg_get_function_sqlbody(p.oid) IS NULL THEN p.prosrc END AS body,
    p.probin AS "object file",
    CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' END AS volatility,
    CASE WHEN p.proisstrict THEN 'yes' END AS strict,
    CASE WHEN p.prosecdef THEN 'definer' END AS security,
    CASE WHEN p.proleakproof THEN 'yes' END AS leakproof,
    CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' END AS parallel,
    p.procost AS cost,
    NULLIF(p.prorows, 0) AS "estimated rows",
    NULLIF(p.prosupport, 0) AS "support function",
    (SELECT string_agg(o, E'\n' ORDER BY o COLLATE "C") FROM unnest(p.proconfig) AS o) AS settings,
    (SELECT string_agg(format_type(o, NULL), ', ') FROM unnest(p.protrftypes) AS o) AS transforms,
    CASE WHEN p.prokind = 'a'
        THEN (
            SELECT
                (
                    to_jsonb(a) - ARRAY['aggfnoid', 'aggtranstype', 'aggmtranstype', 'aggsortop']
                    || jsonb_build_object(
                        'type', format_type(a.aggtranstype, NULL),
                        'moving type', format_type(NULLIF(a.aggmtranstype, 0), NULL),
                        'sort operator', NULLIF(a.aggsortop, 0)::regoperator::text
                    )
                )::text
            FROM pg_aggregate a
            WHERE a.aggfnoid = p.oid
        )
    END AS aggregation
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype IN ('e', 'i')
    )
