-- The key's columns in its order. A NOT NULL that was added NOT VALID (PostgreSQL 18) promises nothing yet.
SELECT
    format('%I', k.name) AS column,
    a.attnum,
    a.attnotnull
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS c
            WHERE c.conrelid = a.attrelid AND c.contype = 'n' AND c.conkey = ARRAY[a.attnum] AND NOT c.convalidated
        ) AS filled,
    (SELECT format('%I.%I', n.nspname, t.typname)
     FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
     WHERE t.oid = a.atttypid) AS type
FROM unnest(%(key)s::text[]) WITH ORDINALITY AS k(name, position)
LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = %(table)s::oid AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY k.position
