SELECT
    'rule' AS kind,
    quote_ident(w.rulename) AS name,
    quote_ident(n.nspname) || '.' || quote_ident(r.relname) AS "on",
    'pg_rewrite ' || w.oid AS address,
    pg_get_ruledef(w.oid) AS definition,
    CASE w.ev_enabled
        WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled on replicas only' WHEN 'A' THEN 'always enabled'
    END AS state
FROM pg_rewrite w
JOIN pg_class r ON r.oid = w.ev_class
JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE
    w.rulename <> '_RETURN'
    AND r.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND r.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_class'::regclass AND e.deptype = 'e'
    )
    AND w.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_rewrite'::regclass AND e.deptype = 'e'
    )
