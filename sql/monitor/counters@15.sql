-- Our own transactions are reported at once, so that they can be taken off exactly.
-- On a standby the position is what it has received, or replayed where nothing streams.
-- Temporary files count for a backend when its statement has ended, and for this database alone.
-- What is reserved is not there for an application: for superusers, and since 16 for pg_use_reserved_connections.
SELECT
    pg_wal_lsn_diff(
        CASE
            WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
            ELSE pg_current_wal_insert_lsn()
        END, '0/0')::bigint AS wal_bytes,
    pg_stat_get_db_xact_commit(d.oid) + pg_stat_get_db_xact_rollback(d.oid) AS transactions,
    pg_stat_get_db_xact_rollback(d.oid) AS rollbacks,
    current_setting('max_connections')::int AS max_connections,
    pg_is_in_recovery() AS in_recovery,
    pg_stat_get_db_temp_bytes(d.oid) AS temp_bytes,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0) AS usable_connections,
    pg_stat_force_next_flush() AS reported
FROM pg_database d
WHERE d.datname = current_database()
