-- Exactly this session. The server does not wait for its end here: whether it went is looked for afterwards.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE pid = %(pid)s AND extract(epoch FROM backend_start) = %(backend_start)s::numeric
