-- What each replication slot keeps of the WAL, and how much it may where that is limited.
SELECT
    s.slot_name,
    s.slot_type,
    s.active,
    s.wal_status,
    CASE
        WHEN s.restart_lsn >= p.position THEN 0
        ELSE pg_wal_lsn_diff(p.position, s.restart_lsn)
    END::bigint AS retained_bytes,
    nullif(pg_size_bytes(current_setting('max_slot_wal_keep_size')), -1) AS limit_bytes
FROM pg_get_replication_slots() s
CROSS JOIN (
    SELECT CASE
        WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
        ELSE pg_current_wal_lsn()
    END AS position
) p
