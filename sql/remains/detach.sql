-- The partition that is to be detached, and every partition of its parent whose detaching did not come to its end.
-- One row more, with the partition null, tells whether parent and child are there at all.
SELECT
    format('%I.%I', n.nspname, c.relname) AS partition,
    h.inhrelid IS NOT DISTINCT FROM to_regclass(%(child)s) AS meant,
    h.inhdetachpending AS pending,
    format(
        'ALTER TABLE %I.%I DETACH PARTITION %I.%I FINALIZE', pn.nspname, p.relname, n.nspname, c.relname
    ) AS finalize,
    true AS parent_there,
    true AS child_there
FROM pg_inherits AS h
JOIN pg_class AS c ON c.oid = h.inhrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_class AS p ON p.oid = h.inhparent
JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
WHERE h.inhparent = to_regclass(%(parent)s)
    AND (h.inhdetachpending OR h.inhrelid = to_regclass(%(child)s))
UNION ALL
SELECT NULL, false, false, NULL, to_regclass(%(parent)s) IS NOT NULL, to_regclass(%(child)s) IS NOT NULL
