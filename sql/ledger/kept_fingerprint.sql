-- A first step that was tried again had its database looked at again.
SELECT body FROM lockstep.fingerprint WHERE run = %(run)s ORDER BY id DESC LIMIT 1
