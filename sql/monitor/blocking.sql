-- Whom each waiting session waits for, by the server's own word; a prepared transaction is 0.
SELECT w.pid, pg_blocking_pids(w.pid) AS blocked_by
FROM unnest(%(pids)s::int[]) AS w (pid)
