INSERT INTO lockstep.fingerprint (run, body) VALUES (%(run)s, %(body)s)
ON CONFLICT (run) DO NOTHING
