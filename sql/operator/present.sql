-- The session that was seen, and which query it runs since when.
SELECT state, extract(epoch FROM query_start) AS query_start
FROM pg_stat_activity
WHERE pid = %(pid)s AND extract(epoch FROM backend_start) = %(backend_start)s::numeric
