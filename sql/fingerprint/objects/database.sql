-- The database itself, without its name: a copy has another one. Its locale and encoding cannot change.
SELECT
    'database' AS kind,
    'itself' AS name,
    '' AS "on",
    'pg_database ' || d.oid AS address,
    quote_ident(pg_get_userbyid(d.datdba)) AS owner,
    CASE WHEN NOT d.datallowconn THEN 'refused' END AS connections,
    NULLIF(d.datconnlimit, -1) AS "connection limit"
FROM pg_database d
WHERE d.datname = current_database()
