-- The senders alone: pg_stat_replication would read every session a second time. A base backup is no replica.
-- A role without pg_read_all_stats sees of each only that it is there.
SELECT
    w.pid,
    w.state,
    w.sync_state,
    CASE
        WHEN w.replay_lsn >= p.position THEN 0
        ELSE extract(epoch FROM w.replay_lag)
    END::float8 AS replay_lag_seconds,
    CASE
        WHEN w.replay_lsn >= p.position THEN 0
        ELSE pg_wal_lsn_diff(p.position, w.replay_lsn)
    END::bigint AS replay_lag_bytes,
    extract(epoch FROM statement_timestamp() - w.reply_time)::float8 AS reply_seconds
FROM pg_stat_get_wal_senders() w
CROSS JOIN (
    SELECT CASE
        WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
        ELSE pg_current_wal_lsn()
    END AS position
) p
WHERE w.state IS DISTINCT FROM 'backup'
