-- Every session by name; of those that wait for a lock since when and for whom. By pg_locks, as pg_stat_activity hides
-- it from a role without pg_read_all_stats. A parallel worker waits for its leader.
WITH waits AS MATERIALIZED (
    SELECT l.pid, extract(epoch FROM clock_timestamp() - min(l.waitstart)) AS seconds
    FROM pg_locks AS l
    WHERE NOT l.granted
    GROUP BY l.pid
)
SELECT
    coalesce(CASE WHEN a.backend_type = 'parallel worker' THEN a.leader_pid END, a.pid) AS pid,
    coalesce(nullif(a.application_name, ''), a.usename, a.backend_type, '') AS name,
    w.seconds,
    array_to_string(pg_blocking_pids(w.pid), ',') AS blocked_by
FROM pg_stat_activity AS a
LEFT JOIN waits AS w USING (pid)
