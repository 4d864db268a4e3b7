-- The senders alone: pg_stat_replication would read every session a second time.
SELECT
    w.pid,
    w.state,
    w.sync_state,
    CASE
        WHEN w.replay_lsn >= p.position THEN 0
        ELSE extract(epoch FROM w.replay_lag)
    END::float8 AS replay_lag_seconds,
    greatest(pg_wal_lsn_diff(p.position, w.replay_lsn), 0)::bigint AS replay_lag_bytes
FROM pg_stat_get_wal_senders() w
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
        ELSE pg_current_wal_lsn()
    END AS position
) p
