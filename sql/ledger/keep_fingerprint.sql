INSERT INTO lockstep.fingerprint (run, runbook, body) VALUES (%(run)s, %(runbook)s, %(body)s)
