-- Enums, domains, ranges, composite and base types; no row types of tables, no arrays, no multiranges (their range
-- names them).
SELECT
    CASE WHEN t.typtype = 'd' THEN 'domain' ELSE 'type' END AS kind,
    quote_ident(n.nspname) || '.' || quote_ident(t.typname) AS name,
    '' AS "on",
    'pg_type ' || t.oid AS address,
    quote_ident(pg_get_userbyid(t.typowner)) AS owner,
    CASE t.typtype
        WHEN 'e' THEN 'enum' WHEN 'r' THEN 'range' WHEN 'c' THEN 'composite' WHEN 'b' THEN 'base' WHEN 'p' THEN 'shell'
    END AS form,
    CASE WHEN t.typtype = 'e'
        THEN (
            SELECT string_agg(quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder)
            FROM pg_enum l
            WHERE l.enumtypid = t.oid
        )
    END AS labels,
    CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS type,
    CASE WHEN t.typnotnull THEN 'yes' END AS "not null",
    COALESCE(pg_get_expr(t.typdefaultbin, 'pg_type'::regclass), t.typdefault) AS "default",
    CASE WHEN t.typtype = 'd' AND t.typcollation <> base.typcollation
        THEN t.typcollation::regcollation
    END AS collation,
    CASE WHEN t.typtype = 'r' THEN
        concat_ws(
            ', ',
            'subtype ' || format_type(r.rngsubtype, NULL),
            'operator class ' || quote_ident(opn.nspname) || '.' || quote_ident(op.opcname),
            'collation ' || NULLIF(r.rngcollation, 0)::regcollation,
            'canonical ' || NULLIF(r.rngcanonical, 0)::regprocedure,
            'difference ' || NULLIF(r.rngsubdiff, 0)::regprocedure,
            'multirange ' || r.rngmultitypid::regtype
        )
    END AS range,
    CASE WHEN t.typtype = 'b' THEN
        (
            SELECT jsonb_object_agg(j.key, j.value)::text
            FROM jsonb_each(to_jsonb(t)) AS j
            WHERE j.key IN (
                'typinput', 'typoutput', 'typreceive', 'typsend', 'typmodin', 'typmodout', 'typanalyze', 'typsubscript',
                'typlen', 'typbyval', 'typalign', 'typstorage', 'typcategory', 'typispreferred', 'typdelim'
            )
        ) || CASE WHEN t.typelem <> 0 THEN ' element ' || format_type(t.typelem, NULL) ELSE '' END
        || CASE WHEN t.typcollation <> 0 THEN ' collatable' ELSE '' END
    END AS representation
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_class c ON c.oid = t.typrelid
LEFT JOIN pg_type base ON base.oid = t.typbasetype
LEFT JOIN pg_range r ON r.rngtypid = t.oid
LEFT JOIN pg_opclass op ON op.oid = r.rngsubopc
LEFT JOIN pg_namespace opn ON opn.oid = op.opcnamespace
WHERE
    t.typtype <> 'm'
    AND (t.typrelid = 0 OR c.relkind = 'c')
    AND NOT EXISTS (SELECT FROM pg_type element WHERE element.typarray = t.oid)
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND t.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_type'::regclass AND e.deptype = 'e'
    )
