-- What a session holds that others may wait for, in this database by name.
SELECT DISTINCT
    upper(regexp_replace(replace(l.mode, 'Lock', ''), '([a-z])([A-Z])', '\1 \2', 'g')) AS mode,
    CASE WHEN n.nspname IN ('public', 'pg_catalog') THEN c.relname ELSE n.nspname || '.' || c.relname END AS relation
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'm', 'v', 'S', 'f')
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = %(pid)s
    AND l.granted
    AND l.locktype = 'relation'
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND n.nspname <> 'pg_catalog'
ORDER BY relation, mode
