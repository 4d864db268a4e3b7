-- What the commit log says of a transaction: committed, aborted, in progress, or null where it is too old to tell.
SELECT pg_xact_status(%(transaction_id)s::text::xid8)
