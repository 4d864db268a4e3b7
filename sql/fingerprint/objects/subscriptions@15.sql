-- The connection string is the superuser's alone and may hold a password: attached/connections reads it as a hash.
SELECT
    'subscription' AS kind,
    quote_ident(s.subname) AS name,
    '' AS "on",
    'pg_subscription ' || s.oid AS address,
    quote_ident(pg_get_userbyid(s.subowner)) AS owner,
    CASE WHEN s.subenabled THEN 'enabled' ELSE 'disabled' END AS state,
    quote_ident(s.subslotname) AS slot,
    s.subsynccommit AS "synchronous commit",
    array_to_string(s.subpublications, ', ') AS publications,
    s.subbinary AS "binary",
    s.substream AS streaming,
    s.subtwophasestate <> 'd' AS "two-phase",
    s.subdisableonerr AS "disable on error"
FROM pg_subscription s
WHERE
    s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND s.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_subscription'::regclass AND e.deptype = 'e'
    )
