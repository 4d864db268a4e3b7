-- Settings that are kept for a database and its roles (database: its name), or for roles in all of them (database: empty),
-- each as the statement that sets it for the copy.
-- A setting that is a list of names is stored as such a list, and has to be given name by name; those of it are the ones
-- that are marked GUC_LIST_QUOTE in the server's source (variable_is_guc_list_quote in pg_dump).
-- elsewhere: the copy is on another server, which has neither these libraries nor these tablespaces (statement null).
WITH settings AS (
    SELECT
        r.rolname AS role,
        d.datname AS database,
        CASE
            WHEN d.datname IS NULL THEN format('ALTER ROLE %s', coalesce(quote_ident(r.rolname), 'ALL'))
            WHEN r.rolname IS NULL THEN format('ALTER DATABASE %I', %(copy)s::text)
            ELSE format('ALTER ROLE %I IN DATABASE %I', r.rolname, %(copy)s::text)
        END AS alter,
        split_part(c.config, '=', 1) AS name,
        substr(c.config, strpos(c.config, '=') + 1) AS value,
        c.at
    FROM pg_catalog.pg_db_role_setting AS s
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
    LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
    CROSS JOIN LATERAL unnest(s.setconfig) WITH ORDINALITY AS c (config, at)
    WHERE coalesce(d.datname, '') = %(database)s AND (s.setrole = 0 OR r.rolname !~ '^pg_' OR s.setdatabase <> 0)
)
SELECT
    CASE
        WHEN database IS NULL THEN format('the setting %s of role %s', name, coalesce(quote_ident(role), 'ALL'))
        ELSE format('the setting %s of the database%s', name, ' for role ' || role)
    END AS what,
    CASE WHEN NOT (
        %(elsewhere)s::boolean
        AND name IN ('session_preload_libraries', 'local_preload_libraries', 'default_tablespace', 'temp_tablespaces')
    ) THEN
        format('%s SET %I TO ', alter, name) || CASE
            WHEN name IN ('search_path', 'local_preload_libraries', 'session_preload_libraries', 'temp_tablespaces') THEN (
                SELECT string_agg(quote_literal(coalesce(replace(m[1], '""', '"'), m[2])), ', ' ORDER BY at)
                FROM regexp_matches(value, '"((?:[^"]|"")*)"|([^,[:space:]]+)', 'g') WITH ORDINALITY AS part (m, at)
            )
            ELSE quote_literal(value)
        END
    END AS statement
FROM settings
ORDER BY at, what
