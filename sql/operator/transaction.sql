-- The number of the open transaction, and the timeline that it is written on.
SELECT pg_current_xact_id(), left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
