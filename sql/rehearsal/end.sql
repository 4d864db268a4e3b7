-- Ends a lost server process of ours, known by its pid and start and by the lock of a copy of ours; a row while it lives.
SELECT pg_catalog.pg_terminate_backend(a.pid)
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid = %(pid)s
    AND a.backend_start = %(started)s::timestamptz
    AND EXISTS (
        SELECT FROM pg_catalog.pg_locks AS l, unnest(%(copies)s::text[]) AS copy (name)
        WHERE l.pid = a.pid
            AND l.locktype = 'advisory'
            AND l.classid = %(space)s
            AND l.objid = ('x' || right(copy.name, 8))::bit(32)::bigint
            AND l.objsubid = 2
    )
