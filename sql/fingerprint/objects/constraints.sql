-- Constraints of tables and domains. Constraint triggers are triggers; a foreign key's copies for the partitions of
-- the table that it refers to have names of the server's making, and come and go with it.
SELECT
    CASE c.contype WHEN 'n' THEN 'not-null constraint' ELSE 'constraint' END AS kind,
    quote_ident(c.conname) AS name,
    quote_ident(n.nspname) || '.' || quote_ident(COALESCE(r.relname, t.typname)) AS "on",
    'pg_constraint ' || c.oid AS address,
    -- Most are simple, and what the server would print of those is known; to ask it for each takes far longer.
    CASE
        WHEN c.contype = 'n' AND c.conrelid <> 0
            THEN 'NOT NULL ' || quote_ident(a.attname) || CASE WHEN c.connoinherit THEN ' NO INHERIT' ELSE '' END
        WHEN c.contype = 'c' AND c.conrelid <> 0
            THEN
                'CHECK (' || pg_get_expr(c.conbin, c.conrelid) || ')'
                || CASE WHEN c.connoinherit THEN ' NO INHERIT' ELSE '' END
        WHEN c.contype IN ('p', 'u') AND c.conkey[2] IS NULL AND (
            SELECT i.indnatts = 1 AND NOT indnullsnotdistinct FROM pg_index i WHERE i.indexrelid = c.conindid
        )
            THEN CASE c.contype WHEN 'p' THEN 'PRIMARY KEY (' ELSE 'UNIQUE (' END || quote_ident(a.attname) || ')'
        WHEN c.contype = 'f' AND c.conkey[2] IS NULL
            THEN
                'FOREIGN KEY (' || quote_ident(a.attname) || ') REFERENCES ' || c.confrelid::regclass || '('
                || (
                    SELECT quote_ident(f.attname)
                    FROM pg_attribute f
                    WHERE f.attrelid = c.confrelid AND f.attnum = c.confkey[1]
                ) || ')'
        ELSE
            regexp_replace(
                pg_get_constraintdef(c.oid),
                CASE c.contype
                    WHEN 'f' THEN '( MATCH \w+)?( ON UPDATE [A-Z ]+)?( ON DELETE [A-Z ]+(\(.*\))?)?' ELSE ''
                END || '( DEFERRABLE| INITIALLY DEFERRED| NOT VALID| NOT ENFORCED)*$',
                ''
            )
    END AS definition,
    CASE WHEN c.contype = 'f' AND c.confmatchtype <> 's'
        THEN CASE c.confmatchtype WHEN 'f' THEN 'FULL' ELSE 'PARTIAL' END
    END AS match,
    CASE WHEN c.contype = 'f' AND c.confupdtype <> 'a'
        THEN CASE c.confupdtype
            WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT'
        END
    END AS "on update",
    CASE WHEN c.contype = 'f' AND c.confdeltype <> 'a'
        THEN CASE c.confdeltype
            WHEN 'r' THEN 'RESTRICT'
            WHEN 'c' THEN 'CASCADE'
            -- Which columns are set may be told as well, since release 15.
            ELSE substring(pg_get_constraintdef(c.oid) FROM ' ON DELETE (SET (?:NULL|DEFAULT)(?: \(.*\))?)')
        END
    END AS "on delete",
    CASE WHEN NOT c.convalidated AND c.enforced THEN 'not valid' END AS validity,
    CASE WHEN c.condeferrable
        THEN CASE WHEN c.condeferred THEN 'deferrable, initially deferred' ELSE 'deferrable' END
    END AS deferrability,
    CASE
        WHEN NOT c.enforced THEN 'off (NOT ENFORCED)'
        -- ALTER TABLE … DISABLE TRIGGER ALL turns foreign keys off as well.
        WHEN c.contype = 'f' AND c.oid IN (
            SELECT g.tgconstraint FROM pg_trigger g WHERE g.tgisinternal AND g.tgenabled NOT IN ('O', 'A')
        ) THEN 'off, its triggers are disabled'
    END AS enforcement,
    CASE WHEN c.coninhcount > 0 AND NOT c.conislocal THEN 'inherited' END AS origin
-- What a release's catalogs do not have is taken from here: a name is looked for in the innermost query first.
FROM (VALUES (true, false)) AS missing (conenforced, indnullsnotdistinct)
CROSS JOIN LATERAL (
    SELECT
        c.oid, c.conname, c.contype, c.conrelid, c.contypid, c.conindid, c.conparentid, c.confrelid, c.conkey,
        c.confkey, c.conbin, c.connoinherit, c.convalidated, c.condeferrable, c.condeferred, c.confmatchtype,
        c.confupdtype, c.confdeltype, c.coninhcount, c.conislocal, conenforced AS enforced
    FROM pg_constraint c
) c
LEFT JOIN pg_class r ON r.oid = c.conrelid
LEFT JOIN pg_type t ON t.oid = c.contypid
LEFT JOIN pg_attribute a
    ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] AND c.contype IN ('n', 'p', 'u', 'f')
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
