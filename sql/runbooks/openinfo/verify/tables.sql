-- Row security without being forced: forced, the helpers' own look at users would be under the policy that asks them.
SELECT c.relname::text AS name, c.relrowsecurity, c.relforcerowsecurity,
  (SELECT count(*) FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY 1
