-- The guide's second query lists tables with row security; what matters is a table without it that the API can reach.
SELECT c.relname::text AS name, r.rolname::text AS open_to
FROM pg_class AS c
CROSS JOIN pg_roles AS r
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
  AND r.rolname IN ('anon', 'authenticated')
  AND has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
ORDER BY 1, 2
