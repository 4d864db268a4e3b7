SELECT body FROM lockstep.fingerprint WHERE run = %(run)s
