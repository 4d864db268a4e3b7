SELECT run, event::text FROM lockstep.event WHERE runbook = %(runbook)s ORDER BY id
