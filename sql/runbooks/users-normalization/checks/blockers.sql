-- Who has a transaction open for more than 5 s and holds a lock on a table of ours. Any lock is in the way, because 003
-- asks for ACCESS EXCLUSIVE.
SELECT a.pid, a.usename, a.application_name, a.state, date_trunc('second', clock_timestamp() - a.xact_start) AS open_for,
  string_agg(DISTINCT c.relname || ' ' || l.mode, ', ') AS holds, left(a.query, 80) AS last_statement
FROM pg_stat_activity AS a
JOIN pg_locks AS l ON l.pid = a.pid AND l.granted AND l.locktype = 'relation'
JOIN pg_class AS c ON c.oid = l.relation
WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND c.relnamespace = 'dev'::regnamespace
  AND c.relname IN ('users', 'users_old', 'tasks', 'emails', 'digests', 'preferences', 'user_logs', 'user_integrations', 'team_directory')
  AND a.pid <> pg_backend_pid()
  AND a.xact_start < clock_timestamp() - interval '5 seconds'
GROUP BY a.pid, a.usename, a.application_name, a.state, a.xact_start, a.query
ORDER BY a.xact_start
