-- Who holds the lock that lock.sql tries. pg_locks shows the second key as an unsigned number.
SELECT
    a.pid,
    a.usename,
    coalesce(host(a.client_addr), 'this host') AS client,
    to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') AS since
FROM pg_locks AS l
JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory'
    AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid = %(space)s
    AND l.objid = (hashtext(%(runbook)s)::bigint & 4294967295)
    AND l.objsubid = 2
