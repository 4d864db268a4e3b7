-- One operator a runbook: an advisory lock of two keys, the first one Lockstep's alone. Only ever tried, never waited for.
SELECT pg_try_advisory_lock(%(space)s, hashtext(%(runbook)s))
