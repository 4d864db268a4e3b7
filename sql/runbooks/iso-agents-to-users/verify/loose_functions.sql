-- Helpers that run as their owner but let the caller's search_path decide what "users" is, or that everybody may call.
SELECT p.oid::regprocedure::text AS function
FROM pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
  AND (p.proconfig IS NULL OR has_function_privilege('anon', p.oid, 'EXECUTE'))
