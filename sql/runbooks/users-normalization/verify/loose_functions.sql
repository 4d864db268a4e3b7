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
    OR p.proname NOT IN ('get_user_integrations', 'get_telegram_id', 'user_has_service') AND p.proname NOT LIKE 'users\_old\_%' AND EXISTS (
      SELECT FROM pg_roles AS r
      WHERE NOT r.rolsuper AND NOT pg_has_role(r.oid, p.proowner, 'MEMBER') AND NOT pg_has_role(r.oid, 'dev_backend', 'MEMBER')
        AND has_function_privilege(r.oid, p.oid, 'EXECUTE')))
