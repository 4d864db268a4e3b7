SELECT
    d.classoid::regclass || ' ' || d.objoid || CASE d.objsubid WHEN 0 THEN '' ELSE ' ' || d.objsubid END AS address,
    d.description AS comment
FROM pg_description d
-- What initdb commented on has lower numbers; only the schema public and the extension plpgsql are of interest there.
WHERE d.objoid >= 16384 OR d.classoid IN ('pg_namespace'::regclass, 'pg_extension'::regclass)
UNION ALL
SELECT d.classoid::regclass || ' ' || d.objoid, d.description
FROM pg_shdescription d
WHERE d.classoid IN ('pg_database'::regclass, 'pg_subscription'::regclass)
