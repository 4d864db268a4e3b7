SELECT
    'default privileges' AS kind,
    'of ' || quote_ident(pg_get_userbyid(d.defaclrole))
    || CASE WHEN n.oid IS NOT NULL THEN ' in schema ' || quote_ident(n.nspname) ELSE '' END AS name,
    CASE d.defaclobjtype
        WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'
        WHEN 'n' THEN 'schemas' ELSE 'large objects'
    END AS "on",
    NULL AS address,
    (
        SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C")
        FROM aclexplode(d.defaclacl) AS x
        CROSS JOIN LATERAL (
            SELECT
                x.privilege_type || ' to '
                || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
                || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END AS line
        ) l
    ) AS grants
FROM pg_default_acl d
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
WHERE n.nspname IS DISTINCT FROM 'lockstep'
