SELECT
    'event trigger' AS kind,
    quote_ident(t.evtname) AS name,
    '' AS "on",
    'pg_event_trigger ' || t.oid AS address,
    quote_ident(pg_get_userbyid(t.evtowner)) AS owner,
    t.evtevent AS event,
    t.evtfoid::regprocedure AS "function",
    array_to_string(t.evttags, ', ') AS tags,
    CASE t.evtenabled
        WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled on replicas only' WHEN 'A' THEN 'always enabled'
    END AS state
FROM pg_event_trigger t
WHERE t.oid NOT IN (
    SELECT e.objid FROM pg_depend e
    WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_event_trigger'::regclass AND e.deptype = 'e'
)
