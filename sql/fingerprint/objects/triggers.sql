-- A partition's copy of a trigger can be disabled on its own: it is listed, also where the server calls it internal.
SELECT
    'trigger' AS kind,
    quote_ident(t.tgname) AS name,
    quote_ident(n.nspname) || '.' || quote_ident(r.relname) AS "on",
    'pg_trigger ' || t.oid AS address,
    pg_get_triggerdef(t.oid) AS definition,
    CASE t.tgenabled
        WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled on replicas only' WHEN 'A' THEN 'always enabled'
    END AS state
FROM pg_trigger t
JOIN pg_class r ON r.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = r.relnamespace
LEFT JOIN pg_trigger parent ON parent.oid = t.tgparentid
WHERE
    (NOT t.tgisinternal OR NOT parent.tgisinternal)
    AND r.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND r.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_class'::regclass AND e.deptype = 'e'
    )
    AND t.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_trigger'::regclass AND e.deptype = 'e'
    )
