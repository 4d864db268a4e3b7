-- uuid-ossp is missing where the server has it, or is there and makes no version 4. Where the server has none this is
-- empty as well: nothing in Momentum calls it. ts_stat runs a text as a query, because the function's schema is only
-- known when it is asked.
SELECT 'not installed' AS problem
FROM pg_available_extensions
WHERE name = 'uuid-ossp' AND installed_version IS NULL
UNION ALL
SELECT 'uuid_generate_v4() gave ' || made.word
FROM pg_extension AS e
JOIN pg_namespace AS n ON n.oid = e.extnamespace
CROSS JOIN LATERAL ts_stat(format('SELECT array_to_tsvector(ARRAY[%I.uuid_generate_v4()::text])', n.nspname)) AS made
WHERE e.extname = 'uuid-ossp' AND made.word !~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
