-- Indexes that are not valid, and foreign keys and checks that were never validated, in the schemas that the steps touch.
SELECT 'index' AS kind, indexrelid::regclass::text AS name
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
WHERE c.relnamespace IN ('public'::regnamespace, 'auth'::regnamespace, 'storage'::regnamespace)
  AND NOT (i.indisvalid AND i.indisready AND i.indislive)
UNION ALL
SELECT 'constraint', conrelid::regclass || ' ' || conname
FROM pg_constraint
WHERE connamespace IN ('public'::regnamespace, 'auth'::regnamespace, 'storage'::regnamespace) AND contype IN ('f', 'c') AND NOT convalidated
