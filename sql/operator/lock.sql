-- One operator a runbook: an advisory lock of two keys, the first Lockstep's alone. Only ever tried, never waited for.
-- A shared one beside it has the second in which it was taken as its key: pg_locks shows that to every role.
SELECT CASE
    WHEN pg_try_advisory_lock(%(space)s, hashtext(%(runbook)s))
        THEN pg_try_advisory_lock_shared(
            %(since)s, floor(extract(epoch FROM clock_timestamp()))::bigint::bit(32)::integer
        )
    ELSE false
END
