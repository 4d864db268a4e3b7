-- Functions of the migration that let the caller's search_path decide what their names mean, or run as their owner and may
-- be called by everybody. Those that only trigger are never called.
SELECT p.oid::regprocedure::text AS function
FROM pg_proc AS p
WHERE p.pronamespace = 'dripiq_app'::regnamespace
  AND (p.proname LIKE '%email\_provider%' OR p.proname IN ('is_plain_secret', 'secret_in', 'email_secrets_under_key', 'link_sendgrid_sender'))
  AND (p.proconfig IS NULL OR (p.prosecdef AND EXISTS (
    SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.grantee = 0)))
