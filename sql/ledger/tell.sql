INSERT INTO lockstep.event (run, runbook, at, event) VALUES (%(run)s, %(runbook)s, %(at)s, %(event)s::json)
