-- The lock of a copy: held by whoever made it, for as long as the rehearsal lives.
SELECT pg_catalog.pg_try_advisory_lock(%(space)s, ('x' || right(%(copy)s, 8))::bit(32)::integer)
