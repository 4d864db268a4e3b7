-- Whether nothing of the ledger has to be made any more.
SELECT count(*) = 3
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'lockstep' AND c.relname IN ('act', 'event', 'fingerprint') AND c.relkind = 'r'
