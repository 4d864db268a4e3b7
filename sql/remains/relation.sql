-- What an index's name stands for now. ``first``: nothing before it in the search path could have been meant.
SELECT
    format('%I.%I', n.nspname, c.relname) AS relation,
    c.relkind IN ('i', 'I') AS is_index,
    coalesce(i.indisvalid, true) AS valid,
    n.nspname IS NOT DISTINCT FROM (current_schemas(false))[1] AS first
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
WHERE c.oid = to_regclass(%(index)s)
