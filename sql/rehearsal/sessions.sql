-- Who keeps this database from being copied, besides us, as any role may know it. Without a user are autovacuum's workers:
-- CREATE DATABASE ends them by itself.
SELECT
    format('%s %s', a.pid, coalesce(nullif(a.application_name, ''), a.backend_type, '')) AS what,
    coalesce(a.usename, '') AS role,
    coalesce(a.state, '') AS state
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = %(database)s AND a.pid <> pg_catalog.pg_backend_pid() AND a.usesysid IS NOT NULL
UNION ALL
SELECT format('prepared transaction %s', p.gid), p.owner, ''
FROM pg_catalog.pg_prepared_xacts AS p
WHERE p.database = %(database)s
ORDER BY what
