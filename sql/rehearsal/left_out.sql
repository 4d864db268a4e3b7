-- What a rehearsal elsewhere does not bring along: it would reach other servers, or lies outside the database.
SELECT
    (SELECT count(*) FROM pg_catalog.pg_subscription AS s WHERE s.subdbid = d.oid) AS subscriptions,
    (
        SELECT count(DISTINCT c.reltablespace) FROM pg_catalog.pg_class AS c
        WHERE c.reltablespace NOT IN (0, (SELECT t.oid FROM pg_catalog.pg_tablespace AS t WHERE t.spcname = 'pg_global'))
    ) AS tablespaces,
    (SELECT count(*) FROM pg_catalog.pg_seclabels) AS labels
FROM pg_catalog.pg_database AS d
WHERE d.datname = current_database()
