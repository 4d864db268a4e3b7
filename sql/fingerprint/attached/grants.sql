-- Grants beyond, and missing from, what the owner and PUBLIC have where nobody granted anything: so an access list
-- that was never touched and one that came back to the same are equal, and an owner's change is no change of grants.
WITH acl AS (
    SELECT
        'pg_class ' || c.oid AS address,
        CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS type, c.relowner AS owner, c.relacl AS acl
    FROM pg_class c
    WHERE c.oid >= 16384 AND c.relacl IS NOT NULL
    UNION ALL
    SELECT 'pg_class ' || a.attrelid || ' ' || a.attnum, 'c', c.relowner, a.attacl
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attrelid >= 16384 AND a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT 'pg_proc ' || p.oid, 'f', p.proowner, p.proacl FROM pg_proc p WHERE p.oid >= 16384 AND p.proacl IS NOT NULL
    UNION ALL
    SELECT 'pg_namespace ' || n.oid, 'n', n.nspowner, n.nspacl FROM pg_namespace n WHERE n.nspacl IS NOT NULL
    UNION ALL
    SELECT 'pg_type ' || t.oid, 'T', t.typowner, t.typacl FROM pg_type t WHERE t.typacl IS NOT NULL
    UNION ALL
    SELECT 'pg_language ' || l.oid, 'l', l.lanowner, l.lanacl FROM pg_language l WHERE l.lanacl IS NOT NULL
    UNION ALL
    SELECT 'pg_foreign_data_wrapper ' || w.oid, 'F', w.fdwowner, w.fdwacl
    FROM pg_foreign_data_wrapper w
    WHERE w.fdwacl IS NOT NULL
    UNION ALL
    SELECT 'pg_foreign_server ' || s.oid, 'S', s.srvowner, s.srvacl FROM pg_foreign_server s WHERE s.srvacl IS NOT NULL
    UNION ALL
    SELECT 'pg_database ' || d.oid, 'd', d.datdba, d.datacl
    FROM pg_database d
    WHERE d.datname = current_database() AND d.datacl IS NOT NULL
),
-- Most access lists are the same as many others: each is read once.
numbered AS MATERIALIZED (
    SELECT row_number() OVER () AS number, d.* FROM (SELECT DISTINCT type, owner, acl FROM acl) d
),
lists AS (
    SELECT
        number,
        string_agg(line, E'\n' ORDER BY line COLLATE "C") FILTER (WHERE given) AS grants,
        string_agg(line, E'\n' ORDER BY line COLLATE "C") FILTER (WHERE NOT given) AS revoked
    FROM numbered
    CROSS JOIN LATERAL (
        (SELECT *, true AS given FROM aclexplode(acl) EXCEPT SELECT *, true FROM aclexplode(acldefault(type, owner)))
        UNION ALL
        (SELECT *, false FROM aclexplode(acldefault(type, owner)) EXCEPT SELECT *, false FROM aclexplode(acl))
    ) x
    CROSS JOIN LATERAL (
        SELECT
            x.privilege_type || ' to '
            || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
            || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END
            || CASE WHEN x.grantor <> owner THEN ' by ' || quote_ident(pg_get_userbyid(x.grantor)) ELSE '' END AS line
    ) l
    GROUP BY number
)
SELECT
    address AS address,
    grants AS grants,
    revoked AS "revoked grants"
FROM lists
JOIN numbered USING (number)
JOIN acl USING (type, owner, acl)
