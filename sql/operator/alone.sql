-- Held by the runner's session until it is made fresh again, or is gone; only ever tried.
SELECT pg_try_advisory_lock(%(space)s, hashtext(%(runbook)s))
