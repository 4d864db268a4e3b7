-- Whether an enum type is there, and has this value.
SELECT
    format('%I.%I', n.nspname, t.typname) AS type,
    EXISTS (SELECT FROM pg_enum AS e WHERE e.enumtypid = t.oid AND e.enumlabel = %(value)s) AS there
FROM pg_type AS t
JOIN pg_namespace AS n ON n.oid = t.typnamespace
WHERE t.oid = to_regtype(%(type)s)
