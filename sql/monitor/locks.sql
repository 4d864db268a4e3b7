-- All locks of the sessions in pids; every wait; of those involved in waits, and of prepared transactions, what they
-- hold of the locks waited for, their row locks and their transaction.
-- Who is neither is left out at once: to compare each of 100,000 locks with those waited for costs twice their reading.
-- A serializable transaction's SIReadLock blocks nobody.
WITH held AS MATERIALIZED (
    SELECT
        l.*,
        coalesce(l.database, 0) AS k1,
        coalesce(l.relation, 0) AS k2,
        coalesce(l.page, -1) AS k3,
        coalesce(l.virtualxid, '') AS k4,
        coalesce(l.transactionid, '0'::xid) AS k5,
        coalesce(l.classid, 0) AS k6,
        coalesce(l.objid, 0) AS k7,
        coalesce(l.objsubid, -1) AS k8
    FROM pg_locks l
    WHERE (
            NOT l.granted
            OR l.pid IS NULL
            OR l.pid IN (SELECT unnest(%(pids)s::int[] || %(involved)s::int[]))
        )
        AND l.mode <> 'SIReadLock'
),
wanted AS (
    SELECT DISTINCT locktype, k1, k2, k3, k4, k5, k6, k7, k8
    FROM held
    WHERE NOT granted
)
SELECT
    h.pid,
    h.locktype,
    h.database,
    h.relation,
    h.page,
    h.tuple,
    h.virtualxid,
    h.transactionid::text AS transactionid,
    h.classid,
    h.objid,
    h.objsubid,
    h.mode,
    h.granted,
    h.fastpath,
    extract(epoch FROM statement_timestamp() - h.waitstart)::float8 AS wait_seconds,
    h.virtualtransaction
FROM held h
LEFT JOIN wanted w USING (locktype, k1, k2, k3, k4, k5, k6, k7, k8)
WHERE NOT h.granted
    OR h.pid = ANY (%(pids)s::int[])
    OR h.locktype = 'tuple'
    OR w.locktype IS NOT NULL
    OR (h.pid IS NULL AND h.locktype = 'transactionid')
