-- What a rehearsal on a copy of this database would stumble over later, for this role.
SELECT
    (
        SELECT pg_catalog.pg_get_userbyid(n.nspowner) FROM pg_catalog.pg_namespace AS n
        WHERE n.nspname = 'lockstep' AND NOT pg_catalog.pg_has_role(n.nspowner, 'USAGE')
    ) AS ledger_of,
    -- Whoever has USAGE on a server may drop the mapping for himself, its owner each.
    (
        SELECT string_agg(DISTINCT format('%s of %s', s.srvname, pg_catalog.pg_get_userbyid(s.srvowner)), ', ')
        FROM pg_catalog.pg_user_mappings AS m JOIN pg_catalog.pg_foreign_server AS s ON s.oid = m.srvid
        WHERE NOT pg_catalog.pg_has_role(s.srvowner, 'USAGE')
            AND NOT (m.usename = current_user AND pg_catalog.has_server_privilege(s.oid, 'USAGE'))
    ) AS mappings_of,
    (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory') AS data,
    nullif(pg_catalog.pg_tablespace_location(d.dattablespace), '') AS tablespace
FROM pg_catalog.pg_database AS d
WHERE d.datname = current_database()
