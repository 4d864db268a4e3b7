-- Names by oid, as committed: a relation made inside an open transaction has none here.
SELECT
    c.oid,
    CASE
        WHEN n.nspname IN ('public', 'pg_catalog') THEN quote_ident(c.relname)
        ELSE quote_ident(n.nspname) || '.' || quote_ident(c.relname)
    END AS name
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY (%(oids)s::oid[])
