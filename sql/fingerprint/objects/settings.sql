-- ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET. The applications' own settings, which have a dot in their name,
-- often hold a secret: of those only the hash is read.
SELECT
    'setting' AS kind,
    split_part(o, '=', 1)
    || CASE WHEN s.setrole <> 0 THEN ' of role ' || quote_ident(pg_get_userbyid(s.setrole)) ELSE '' END AS name,
    'the database' AS "on",
    NULL AS address,
    CASE WHEN strpos(split_part(o, '=', 1), '.') = 0 THEN substr(o, strpos(o, '=') + 1) END AS value,
    CASE
        WHEN strpos(split_part(o, '=', 1), '.') > 0
        THEN encode(sha256(convert_to(substr(o, strpos(o, '=') + 1), 'UTF8')), 'hex')
    END AS "hash of value"
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) AS o
WHERE s.setdatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
