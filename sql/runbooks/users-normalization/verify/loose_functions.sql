-- Helpers that everybody may call, that let the caller's search_path decide what a table is, or that run as their owner
-- and need not; and those that hand out secrets and are not the backend's alone.
SELECT p.oid::regprocedure::text AS function
FROM pg_proc AS p
WHERE p.pronamespace = 'dev'::regnamespace AND p.prorettype <> 'trigger'::regtype
  AND p.proname ~ '(integration|_token|_to_user|_from_user|telegram_id|has_service|users_old)'
  AND (p.proacl IS NULL
    OR EXISTS (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee = 0)
    OR NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%')
    OR (p.prosecdef AND p.proname <> 'cleanup_orphaned_integrations')
    OR (has_function_privilege('dev_member', p.oid, 'EXECUTE')
      AND p.proname NOT IN ('get_user_integrations', 'get_telegram_id', 'user_has_service')))
