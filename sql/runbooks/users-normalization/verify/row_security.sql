SELECT c.relname::text, c.relrowsecurity, (SELECT count(*) FROM pg_policy AS p WHERE p.polrelid = c.oid) AS policies
FROM pg_class AS c
WHERE c.relnamespace = 'dev'::regnamespace
  AND c.relname IN ('users', 'user_integrations', 'users_duplicate_emails', 'tasks', 'emails', 'digests', 'preferences')
ORDER BY 1
