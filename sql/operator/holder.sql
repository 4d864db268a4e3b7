-- Who holds the locks of lock.sql. pg_locks shows their second keys as unsigned numbers; what pg_stat_activity hides of
-- another role's session is null.
SELECT
    a.pid,
    a.application_name,
    a.usename,
    CASE
        WHEN a.client_addr IS NOT NULL THEN coalesce(a.client_hostname, host(a.client_addr))
        WHEN a.client_port = -1 THEN 'this host'
        ELSE 'an unknown host'
    END AS client,
    min(taken.objid::bigint) AS since
FROM pg_locks AS l
JOIN pg_stat_activity AS a USING (pid)
JOIN pg_locks AS taken
    ON taken.pid = l.pid AND taken.locktype = 'advisory' AND taken.classid = %(since)s AND taken.objsubid = 2
WHERE l.locktype = 'advisory'
    AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid = %(space)s
    AND l.objid = (hashtext(%(runbook)s)::bigint & 4294967295)
    AND l.objsubid = 2
GROUP BY a.pid, a.application_name, a.usename, client
