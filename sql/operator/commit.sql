-- What the commit log says of a transaction: committed, aborted, in progress, or null where it is too old to tell; and
-- the timeline that this server writes on: after a failover or a restore, numbers are given anew to other transactions.
SELECT pg_xact_status(%(transaction_id)s::text::xid8), left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
