SELECT p.proname::text, pg_get_function_result(p.oid)
FROM pg_proc AS p
WHERE p.pronamespace = 'dev'::regnamespace
  AND (p.proname ~ '(integration|_token|service|_to_user|_from_user)' OR p.proname = 'get_telegram_id') AND p.prorettype <> 'trigger'::regtype
ORDER BY p.proname
