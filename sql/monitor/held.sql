-- Who holds or waits for a lock on these relations, named as we name them: public's without their schema.
SELECT w.name, l.pid, l.mode
FROM unnest(%(names)s::text[]) AS w (name)
JOIN pg_locks l
    ON l.relation = to_regclass(CASE WHEN w.name ~ '^("([^"]|"")*"|[^".]+)$' THEN 'public.' || w.name ELSE w.name END)
WHERE l.locktype = 'relation'
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND l.pid IS DISTINCT FROM pg_backend_pid()
