SELECT
    'extension' AS kind,
    quote_ident(e.extname) AS name,
    '' AS "on",
    'pg_extension ' || e.oid AS address,
    quote_ident(pg_get_userbyid(e.extowner)) AS owner,
    e.extversion AS version,
    quote_ident(n.nspname) AS schema
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
