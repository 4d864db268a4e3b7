-- The relations that another session holds locks on at this moment.
SELECT l.relation, l.mode
FROM pg_locks AS l
WHERE l.locktype = 'relation' AND l.pid = %(pid)s AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
