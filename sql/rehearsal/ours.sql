-- Whether the database of a copy's name is that copy: marked by us (by its comment, or by what CREATE DATABASE itself set
-- while the comment was still to come), and under the lock of this very session. No row: there is none of that name.
SELECT
    (
        coalesce(starts_with(pg_catalog.shobj_description(d.oid, 'pg_database'), %(mark)s), false)
        OR (d.datconnlimit = %(limit)s AND NOT d.datallowconn)
    )
    AND EXISTS (
        SELECT FROM pg_catalog.pg_locks AS l
        WHERE l.pid = pg_catalog.pg_backend_pid()
            AND l.locktype = 'advisory'
            AND l.classid = %(space)s
            AND l.objid = ('x' || right(d.datname, 8))::bit(32)::bigint
            AND l.objsubid = 2
    ) AS ours
FROM pg_catalog.pg_database AS d
WHERE d.datname = %(copy)s
