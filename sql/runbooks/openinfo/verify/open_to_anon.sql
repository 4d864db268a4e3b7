-- Whatever somebody without a token may do with a table, a column or a function of public. A Supabase project gives all
-- of it by default.
SELECT c.relname::text AS name, privilege
FROM pg_class AS c
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
  AND has_any_column_privilege('anon', c.oid, privilege)
UNION ALL
SELECT c.relname::text, privilege
FROM pg_class AS c
CROSS JOIN unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS privilege
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
  AND has_table_privilege('anon', c.oid, privilege)
UNION ALL
SELECT p.oid::regprocedure::text, 'EXECUTE'
FROM pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace AND has_function_privilege('anon', p.oid, 'EXECUTE')
ORDER BY 1, 2
