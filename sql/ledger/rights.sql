-- Whether this role may read and write the ledger that is there, asked so that nothing is refused; null: there is none.
SELECT bool_and(
    has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
)
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname IN ('act', 'event', 'fingerprint')
WHERE n.nspname = 'lockstep'
