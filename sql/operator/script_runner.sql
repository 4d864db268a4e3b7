-- Whose session holds the lock of alone.sql: it runs a script of this runbook, or has run one last.
SELECT pid
FROM pg_locks
WHERE locktype = 'advisory'
    AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = %(space)s
    AND objid = (hashtext(%(runbook)s)::bigint & 4294967295)
    AND objsubid = 2
