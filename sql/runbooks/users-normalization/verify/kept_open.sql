-- Tables that the way back has put something aside in and that others than their owner could read.
SELECT c.relname::text AS name
FROM pg_class AS c
WHERE c.relnamespace = 'dev'::regnamespace AND c.relname IN ('services_kept', 'user_integrations_kept')
  AND (NOT c.relrowsecurity OR EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid))
