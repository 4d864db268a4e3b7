-- How our dump and the others get on: whether it waits for a lock, and who waits for it, directly or behind it.
-- pg_locks, as pg_stat_activity hides from an ordinary role who waits.
SELECT
    dump.pid,
    dump.pid IN (SELECT w.pid FROM pg_catalog.pg_locks AS w WHERE NOT w.granted) AS waits,
    behind.pid AS behind,
    coalesce(behind.application_name, '') AS name,
    coalesce(behind.usename, '') AS role
FROM pg_catalog.pg_stat_activity AS dump
LEFT JOIN LATERAL (
    SELECT a.pid, a.application_name, a.usename
    FROM (SELECT DISTINCT w.pid FROM pg_catalog.pg_locks AS w WHERE NOT w.granted) AS waiting
    JOIN pg_catalog.pg_stat_activity AS a USING (pid)
    WHERE dump.pid = ANY (pg_catalog.pg_blocking_pids(waiting.pid))
) AS behind ON true
WHERE dump.application_name = %(dump)s AND dump.datname = current_database()
ORDER BY behind.pid
