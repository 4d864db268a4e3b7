INSERT INTO lockstep.fingerprint (run, body) VALUES (%(run)s, %(body)s)
