SELECT indexrelid::regclass::text AS index
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
WHERE c.relnamespace IN ('public'::regnamespace, 'auth'::regnamespace) AND NOT (i.indisvalid AND i.indisready AND i.indislive)
