-- Who is in this database besides us, as any role may know it.
SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.usename, ''), coalesce(a.backend_type, ''), coalesce(a.state, '')
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = %(database)s AND a.pid <> pg_catalog.pg_backend_pid()
ORDER BY a.pid
