-- Who keeps this database's dead rows from being removed, by the rules of ComputeXidHorizons in procarray.c: the oldest
-- transaction or snapshot of a session here, or of a sender (a standby with hot_standby_feedback); a prepared
-- transaction; a slot. A VACUUM holds back nobody, a parallel worker what its leader does.
WITH here AS (
    SELECT d.oid
    FROM pg_database d
    WHERE d.datname = current_database()
),
holders AS (
    SELECT
        CASE WHEN a.backend_type = 'walsender' THEN 'standby' ELSE 'session' END AS kind,
        a.application_name AS name,
        a.pid,
        greatest(age(a.backend_xid), age(a.backend_xmin)) AS transactions,
        extract(epoch FROM statement_timestamp() - a.xact_start)::float8 AS seconds
    FROM pg_stat_get_activity(NULL) a
    WHERE a.pid <> pg_backend_pid()
        AND a.leader_pid IS NULL
        AND (a.datid IS NULL OR a.datid IN (SELECT h.oid FROM here h) OR pg_is_in_recovery())
        AND a.pid NOT IN (SELECT v.pid FROM pg_stat_get_progress_info('VACUUM') v)
    UNION ALL
    SELECT
        'prepared transaction',
        p.gid,
        NULL,
        age(p.transaction),
        extract(epoch FROM statement_timestamp() - p.prepared)::float8
    FROM pg_prepared_xact() p
    WHERE p.dbid IN (SELECT h.oid FROM here h)
    UNION ALL
    SELECT 'slot', s.slot_name::text, s.active_pid, greatest(age(s.xmin), age(s.catalog_xmin)), NULL
    FROM pg_get_replication_slots() s
    WHERE s.wal_status IS DISTINCT FROM 'lost'
)
SELECT o.kind, o.name, o.pid, o.transactions, o.seconds
FROM holders o
WHERE o.transactions IS NOT NULL
ORDER BY o.transactions DESC, o.seconds DESC NULLS LAST
LIMIT 1
