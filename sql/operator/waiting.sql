SELECT pid, unnest(pg_blocking_pids(pid)) AS blocker
FROM pg_stat_activity
WHERE wait_event_type = 'Lock'
