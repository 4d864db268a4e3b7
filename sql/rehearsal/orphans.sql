-- The copies of rehearsals that died, as far as they are ours to drop: by their name and by a mark that only we make,
-- which is the comment, or what CREATE DATABASE itself set while the comment was still to come; with their lock free,
-- and with nobody in them but what is left of the rehearsal (going: the server has still to notice that it is gone).
-- A lock's second key is shown as an unsigned number.
SELECT
    d.datname,
    EXISTS (
        SELECT FROM pg_catalog.pg_stat_activity AS a WHERE a.datid = d.oid AND a.backend_type = 'client backend'
    ) AS going
FROM pg_catalog.pg_database AS d
WHERE d.datname ~ '^lockstep_rehearsal_[0-9a-f]{8}$'
    AND (
        starts_with(pg_catalog.shobj_description(d.oid, 'pg_database'), %(mark)s)
        OR (d.datconnlimit = %(limit)s AND NOT d.datallowconn)
    )
    AND pg_catalog.pg_has_role(d.datdba, 'USAGE')
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_stat_activity AS a
        WHERE a.datid = d.oid AND a.backend_type = 'client backend' AND NOT starts_with(a.application_name, 'lockstep ')
    )
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_locks AS l
        WHERE l.locktype = 'advisory'
            AND l.classid = %(space)s
            AND l.objid = ('x' || right(d.datname, 8))::bit(32)::bigint
            AND l.objsubid = 2
    )
ORDER BY d.datname
