-- By the catalog, which anybody may read: to_regclass is refused to who may not use the schema.
SELECT count(*) = 3
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'lockstep' AND c.relname IN ('act', 'event', 'fingerprint') AND c.relkind = 'r'
