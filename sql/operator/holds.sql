-- What a session holds that others may wait for: in this database by name, elsewhere counted.
WITH held AS (
    SELECT l.*, upper(regexp_replace(replace(l.mode, 'Lock', ''), '([a-z])([A-Z])', '\1 \2', 'g')) AS words
    FROM pg_locks AS l
    WHERE l.pid = %(pid)s AND l.granted
)
SELECT DISTINCT
    h.words AS mode,
    CASE WHEN n.nspname IN ('public', 'pg_catalog') THEN c.relname ELSE n.nspname || '.' || c.relname END AS what
FROM held AS h
JOIN pg_class AS c ON c.oid = h.relation AND c.relkind IN ('r', 'p', 'm', 'v', 'S', 'f')
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE h.locktype = 'relation'
    AND h.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND n.nspname <> 'pg_catalog'
UNION ALL
SELECT
    h.words,
    'advisory lock ' || CASE h.objsubid
        WHEN 1 THEN (h.classid::bigint << 32 | h.objid::bigint)::text
        ELSE '(' || h.classid::bigint::bit(32)::integer || ', ' || h.objid::bigint::bit(32)::integer || ')'
    END
FROM held AS h
WHERE h.locktype = 'advisory'
UNION ALL
-- The oids of what users make begin there (FirstNormalObjectId).
SELECT h.words, count(DISTINCT h.relation) || ' relations of database ' || d.datname
FROM held AS h
JOIN pg_database AS d ON d.oid = h.database AND d.datname <> current_database()
WHERE h.locktype = 'relation' AND h.relation >= 16384
GROUP BY h.words, d.datname
ORDER BY what, mode
