-- Who waits for a lock, read from the locks: pg_stat_activity hides it from a role without pg_read_all_stats.
SELECT w.pid, pg_blocking_pids(w.pid) AS blocked_by
FROM (SELECT DISTINCT l.pid FROM pg_locks l WHERE NOT l.granted) AS w
