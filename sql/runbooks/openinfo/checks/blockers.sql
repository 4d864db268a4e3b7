-- Who has a transaction open for more than 5 s and has written to the accounts: 001 waits for it, and everybody who signs
-- in waits behind 001. Reading is not in the way.
SELECT a.pid, a.usename, a.application_name, a.state, date_trunc('second', clock_timestamp() - a.xact_start) AS open_for,
  string_agg(DISTINCT l.mode, ', ') AS holds, left(a.query, 80) AS last_statement
FROM pg_stat_activity AS a
JOIN pg_locks AS l ON l.pid = a.pid AND l.granted AND l.locktype = 'relation'
WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation = to_regclass('auth.users') AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
  AND a.pid <> pg_backend_pid()
  AND a.xact_start < clock_timestamp() - interval '5 seconds'
GROUP BY a.pid, a.usename, a.application_name, a.state, a.xact_start, a.query
ORDER BY a.xact_start
