-- What a statement may rewrite, scan and lock: every relation of the user's, and what a session holds on it now. The
-- statistics of the open transaction are this session's own; scans counts those of tables alone.
WITH held AS MATERIALIZED (
    SELECT l.relation, string_agg(l.mode, ' ') AS modes
    FROM pg_locks AS l
    WHERE l.locktype = 'relation' AND l.pid = %(pid)s AND l.granted
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    GROUP BY l.relation
)
SELECT c.oid,
       CASE
           WHEN n.nspname = 'public' THEN quote_ident(c.relname)
           ELSE quote_ident(n.nspname) || '.' || quote_ident(c.relname)
       END AS name,
       c.relfilenode,
       CASE WHEN c.relkind IN ('r', 'm', 'p') THEN coalesce(pg_stat_get_xact_numscans(c.oid), 0) ELSE 0 END AS scans,
       h.modes,
       c.relkind
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN held AS h ON h.relation = c.oid
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
  AND c.relkind IN ('r', 'p', 'm', 'i', 'I', 'v', 'S', 'f')
  AND (%(all)s OR h.relation IS NOT NULL)
