-- Prepared transactions, asked only when one of them blocks somebody.
SELECT p.transaction::text AS transaction, p.gid
FROM pg_prepared_xacts p
