-- ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET.
SELECT
    'setting' AS kind,
    split_part(o, '=', 1)
    || CASE WHEN s.setrole <> 0 THEN ' of role ' || quote_ident(pg_get_userbyid(s.setrole)) ELSE '' END AS name,
    'the database' AS "on",
    NULL AS address,
    substr(o, strpos(o, '=') + 1) AS value
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) AS o
WHERE s.setdatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
