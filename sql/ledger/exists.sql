-- By the catalog, which anybody may read: to_regclass is refused to who may not use the schema.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'lockstep' AND c.relname = 'act'
)
