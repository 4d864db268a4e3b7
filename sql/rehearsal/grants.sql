-- The grants of a database, which a copy does not get by itself, as statements for the copy.
WITH ours AS (
    SELECT d.oid, d.datname, d.datdba, d.datacl FROM pg_catalog.pg_database AS d WHERE d.datname = %(database)s
), grants AS (
    SELECT
        CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS grantee,
        a.privilege_type,
        bool_or(a.is_grantable) AS grantable,
        min(a.at) AS at
    FROM ours, LATERAL pg_catalog.aclexplode(ours.datacl) WITH ORDINALITY AS a (grantor, grantee, privilege_type, is_grantable, at)
    GROUP BY 1, 2
)
SELECT
    1 AS pass,
    'the grants on the database' AS what,
    format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', %(copy)s::text, owner.rolname) AS statement,
    0::bigint AS at
FROM ours JOIN pg_catalog.pg_roles AS owner ON owner.oid = ours.datdba
WHERE ours.datacl IS NOT NULL
UNION ALL
SELECT
    2,
    format('the grant of %s to %s', privilege_type, grantee),
    format(
        'GRANT %s ON DATABASE %I TO %s%s', privilege_type, %(copy)s::text, grantee,
        CASE WHEN grantable THEN ' WITH GRANT OPTION' ELSE '' END
    ),
    at
FROM grants
ORDER BY pass, at, what
