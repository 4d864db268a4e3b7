-- This server's roles, each fact as the statement that brings it about on another one, where only the role login may log in.
-- Passwords are nobody's business here.
-- to_jsonb: from PostgreSQL 16 on a membership has two options more.
WITH roles AS (
    SELECT * FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_'
), memberships AS (
    SELECT
        granted.rolname AS granted,
        member.rolname AS member,
        bool_or(m.admin_option) AS admin,
        bool_or((to_jsonb(m) ->> 'inherit_option')::boolean) AS inherit,
        bool_or((to_jsonb(m) ->> 'set_option')::boolean) AS set
    FROM pg_catalog.pg_auth_members AS m
    JOIN pg_catalog.pg_roles AS granted ON granted.oid = m.roleid
    JOIN roles AS member ON member.oid = m.member
    GROUP BY 1, 2
)
SELECT 1 AS pass, format('role %s', rolname) AS what, format('CREATE ROLE %I', rolname) AS statement
FROM roles WHERE oid <> 10
UNION ALL
SELECT
    2,
    format('the attributes of role %s', rolname),
    concat_ws(
        ' ',
        format('ALTER ROLE %I', rolname),
        CASE WHEN rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
        CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
        CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
        CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
        CASE WHEN rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
        CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
        CASE WHEN rolname = %(login)s::text THEN 'LOGIN' ELSE 'NOLOGIN' END
    )
FROM roles WHERE oid <> 10
UNION ALL
SELECT
    3,
    format('the membership of %s in %s', member, granted),
    format('GRANT %I TO %I', granted, member) || CASE
        WHEN inherit IS NOT NULL THEN format(' WITH ADMIN %s, INHERIT %s, SET %s', admin::text, inherit::text, set::text)
        WHEN admin THEN ' WITH ADMIN OPTION'
        ELSE ''
    END
FROM memberships
ORDER BY pass, what
