-- Whether this role may read and write the ledger that is there, asked so that nothing is refused; no row: there is none.
SELECT coalesce(
    has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT'),
    true
)
FROM pg_catalog.pg_namespace AS n
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'act'
WHERE n.nspname = 'lockstep'
