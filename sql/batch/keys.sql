-- The unique btree indexes over exactly these columns, those first that can be walked in the key's order: a row for
-- each, with the collation and the operator > of every column.
-- An order is walkable where all columns run the same way, with the nulls where that way puts them (indoption 0 or 3).
WITH unique_index AS (
    SELECT
        i.indexrelid,
        i.indisprimary,
        string_to_array(i.indkey::text, ' ')::int[] AS columns,
        string_to_array(i.indclass::text, ' ')::oid[] AS classes,
        string_to_array(i.indcollation::text, ' ')::oid[] AS collations,
        string_to_array(i.indoption::text, ' ')::int[] AS options,
        i.indnkeyatts::int AS width,
        i.indisvalid AS valid,
        i.indpred IS NULL AS whole
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
    WHERE i.indrelid = %(table)s::oid AND i.indisunique AND i.indnkeyatts = cardinality(%(columns)s::int[])
)
SELECT
    u.indexrelid::regclass::text AS index,
    u.valid,
    u.whole,
    k.ordered,
    k.walkable AND (u.options[1:u.width] <@ ARRAY[0] OR u.options[1:u.width] <@ ARRAY[3]) AS walkable,
    k.names,
    k.collations,
    k.greater
FROM unique_index AS u
CROSS JOIN LATERAL (
    SELECT
        array_agg(a.attnum::int ORDER BY p.position) = %(columns)s::int[] AS ordered,
        -- text_pattern_ops and its like have an order of their own: their family has no default class.
        bool_and(EXISTS (
            SELECT FROM pg_catalog.pg_opclass AS d WHERE d.opcfamily = o.opcfamily AND d.opcdefault
        )) AS walkable,
        json_agg(a.attname ORDER BY p.position) AS names,
        json_agg(
            CASE WHEN l.oid IS NULL THEN '' ELSE format('COLLATE %I.%I', ln.nspname, l.collname) END
            ORDER BY p.position
        ) AS collations,
        json_agg(DISTINCT format('OPERATOR(%I.%s)', gn.nspname, g.oprname)) AS greater
    FROM generate_series(1, u.width) AS p(position)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = %(table)s::oid AND a.attnum = u.columns[p.position]
    JOIN pg_catalog.pg_opclass AS o ON o.oid = u.classes[p.position]
    JOIN pg_catalog.pg_amop AS s
        ON s.amopfamily = o.opcfamily AND s.amopstrategy = 5
        AND s.amoplefttype = o.opcintype AND s.amoprighttype = o.opcintype
    JOIN pg_catalog.pg_operator AS g ON g.oid = s.amopopr
    JOIN pg_catalog.pg_namespace AS gn ON gn.oid = g.oprnamespace
    LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = u.collations[p.position]
    LEFT JOIN pg_catalog.pg_namespace AS ln ON ln.oid = l.collnamespace
) AS k
WHERE u.columns[1:u.width] @> %(columns)s::int[]
ORDER BY u.valid AND u.whole DESC, ordered DESC, walkable DESC, u.indisprimary DESC, u.indexrelid
