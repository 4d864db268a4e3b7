-- Exactly this session, and only while it runs the query that was seen.
SELECT pg_cancel_backend(pid)
FROM pg_stat_activity
WHERE pid = %(pid)s
    AND extract(epoch FROM backend_start) = %(backend_start)s::numeric
    AND extract(epoch FROM query_start) IS NOT DISTINCT FROM nullif(%(query_start)s, '')::numeric
