-- What a copy on the same server does not keep in: the original's own row and settings, roles and their memberships.
SELECT format('database %s', d.datname) AS what, jsonb_build_object(
    'owner', d.datdba, 'grants', d.datacl::text, 'limit', d.datconnlimit, 'connections', d.datallowconn,
    'template', d.datistemplate, 'tablespace', d.dattablespace, 'oid', d.oid,
    'comment', pg_catalog.shobj_description(d.oid, 'pg_database')
)::text AS how
FROM pg_catalog.pg_database AS d
WHERE d.datname = %(database)s
UNION ALL
SELECT concat_ws(' ', 'settings of', 'database ' || d.datname, 'role ' || r.rolname), s.setconfig::text
FROM pg_catalog.pg_db_role_setting AS s
LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
WHERE s.setdatabase = 0 OR d.datname = %(database)s
UNION ALL
SELECT format('role %s', r.rolname), (to_jsonb(r) - 'rolconfig')::text
FROM pg_catalog.pg_roles AS r
UNION ALL
SELECT format('membership of %s in %s', pg_catalog.pg_get_userbyid(m.member), pg_catalog.pg_get_userbyid(m.roleid)), to_jsonb(m)::text
FROM pg_catalog.pg_auth_members AS m
UNION ALL
SELECT format('tablespace %s', t.spcname), to_jsonb(t)::text
FROM pg_catalog.pg_tablespace AS t
