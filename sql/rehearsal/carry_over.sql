-- What a copy of a database does not get by itself, as statements for the copy: its grants and settings.
-- A setting that is a list of names is stored as such a list, and has to be given name by name; those of it are the ones
-- that are marked GUC_LIST_QUOTE in the server's source (variable_is_guc_list_quote in pg_dump).
-- elsewhere: the copy is on another server, which has neither these libraries nor these tablespaces (statement null).
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
), settings AS (
    SELECT
        CASE WHEN s.setrole <> 0 THEN pg_catalog.pg_get_userbyid(s.setrole) END AS role,
        split_part(c.config, '=', 1) AS name,
        substr(c.config, strpos(c.config, '=') + 1) AS value,
        c.at
    FROM ours
    JOIN pg_catalog.pg_db_role_setting AS s ON s.setdatabase = ours.oid
    CROSS JOIN LATERAL unnest(s.setconfig) WITH ORDINALITY AS c (config, at)
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
UNION ALL
SELECT
    3,
    format('the setting %s of the database%s', name, ' for role ' || role),
    CASE WHEN NOT (
        %(elsewhere)s::boolean
        AND name IN ('session_preload_libraries', 'local_preload_libraries', 'default_tablespace', 'temp_tablespaces')
    ) THEN
        CASE
            WHEN role IS NULL THEN format('ALTER DATABASE %I', %(copy)s::text)
            ELSE format('ALTER ROLE %I IN DATABASE %I', role, %(copy)s::text)
        END || format(' SET %I TO ', name) || CASE
            WHEN name IN ('search_path', 'local_preload_libraries', 'session_preload_libraries', 'temp_tablespaces') THEN (
                SELECT string_agg(quote_literal(coalesce(replace(m[1], '""', '"'), m[2])), ', ' ORDER BY at)
                FROM regexp_matches(value, '"((?:[^"]|"")*)"|([^,[:space:]]+)', 'g') WITH ORDINALITY AS part (m, at)
            )
            ELSE quote_literal(value)
        END
    END,
    at
FROM settings
ORDER BY pass, at, what
