-- Constraints of tables and domains. Constraint triggers are triggers; a foreign key's copies for the partitions of
-- the table that it refers to have names of the server's making, and come and go with it.
SELECT
    CASE c.contype WHEN 'n' THEN 'not-null constraint' ELSE 'constraint' END AS kind,
    quote_ident(c.conname) AS name,
    quote_ident(n.nspname) || '.' || quote_ident(COALESCE(r.relname, t.typname)) AS "on",
    'pg_constraint ' || c.oid AS address,
    CASE WHEN c.condeferrable OR NOT c.convalidated
        THEN regexp_replace(def, '( DEFERRABLE| INITIALLY DEFERRED| NOT VALID)+$', '')
        ELSE def
    END AS definition,
    CASE WHEN NOT c.convalidated AND def NOT LIKE '% NOT ENFORCED' THEN 'not valid' END AS validity,
    CASE WHEN c.condeferrable
        THEN CASE WHEN c.condeferred THEN 'deferrable, initially deferred' ELSE 'deferrable' END
    END AS deferrability,
    -- ALTER TABLE … DISABLE TRIGGER ALL turns foreign keys off as well.
    CASE WHEN c.contype = 'f' AND EXISTS (
        SELECT FROM pg_trigger g WHERE g.tgconstraint = c.oid AND g.tgisinternal AND g.tgenabled NOT IN ('O', 'A')
    ) THEN 'off, its triggers are disabled' END AS enforcement,
    CASE WHEN c.coninhcount > 0 AND NOT c.conislocal THEN 'inherited' END AS origin
FROM pg_constraint c
CROSS JOIN LATERAL (
    SELECT
        -- Half of all constraints are NOT NULL, and what the server would make of them is known.
        CASE WHEN c.contype = 'n' AND c.conrelid <> 0
            THEN (
                SELECT 'NOT NULL ' || quote_ident(a.attname) || CASE WHEN c.connoinherit THEN ' NO INHERIT' ELSE '' END
                FROM pg_attribute a
                WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
            )
            ELSE pg_get_constraintdef(c.oid)
        END AS def
    OFFSET 0
) d
LEFT JOIN pg_class r ON r.oid = c.conrelid
LEFT JOIN pg_type t ON t.oid = c.contypid
JOIN pg_namespace n ON n.oid = COALESCE(r.relnamespace, t.typnamespace)
WHERE
    c.contype <> 't'
    AND COALESCE(r.relpersistence, 'p') <> 't'
    AND (
        c.conparentid = 0
        OR c.conrelid <> (SELECT p.conrelid FROM pg_constraint p WHERE p.oid = c.conparentid)
    )
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND c.conrelid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_class'::regclass AND e.deptype = 'e'
    )
    AND c.contypid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_type'::regclass AND e.deptype = 'e'
    )
