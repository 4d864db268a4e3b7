-- Who has a transaction open for more than 5 s and holds a lock that a step has to wait for: any on storage.objects, because
-- 003 asks for ACCESS EXCLUSIVE; a writer's on the others.
SELECT a.pid, a.usename, a.application_name, a.state, date_trunc('second', clock_timestamp() - a.xact_start) AS open_for,
  string_agg(DISTINCT c.relnamespace::regnamespace || '.' || c.relname || ' ' || l.mode, ', ') AS holds, left(a.query, 80) AS last_statement
FROM pg_stat_activity AS a
JOIN pg_locks AS l ON l.pid = a.pid AND l.granted AND l.locktype = 'relation'
JOIN pg_class AS c ON c.oid = l.relation
WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (
    c.oid = to_regclass('storage.objects')
    OR (c.oid IN (to_regclass('auth.users'), to_regclass('public.legacy_users'), to_regclass('public.legacy_sessions'))
        AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')))
  AND a.pid <> pg_backend_pid()
  AND a.xact_start < clock_timestamp() - interval '5 seconds'
GROUP BY a.pid, a.usename, a.application_name, a.state, a.xact_start, a.query
ORDER BY a.xact_start
