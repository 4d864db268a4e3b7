SELECT
    labels.address AS address,
    string_agg(line, E'\n' ORDER BY line COLLATE "C") AS "security labels"
FROM (
    SELECT
        l.classoid::regclass || ' ' || l.objoid || CASE l.objsubid WHEN 0 THEN '' ELSE ' ' || l.objsubid END AS address,
        l.provider || ': ' || l.label AS line
    FROM pg_seclabel l
    UNION ALL
    SELECT l.classoid::regclass || ' ' || l.objoid, l.provider || ': ' || l.label
    FROM pg_shseclabel l
    WHERE l.classoid = 'pg_database'::regclass
) labels
GROUP BY address
