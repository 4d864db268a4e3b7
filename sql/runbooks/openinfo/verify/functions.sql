-- Who may call what: nobody without a token, and the server's functions not with a person's token. A function that runs
-- as its owner must not trust the caller's search_path.
SELECT p.proname::text AS name, p.prosecdef AS as_owner, 'search_path=""' = ANY (p.proconfig) AS own_path,
  concat_ws(' ', CASE WHEN has_function_privilege('anon', p.oid, 'EXECUTE') THEN 'anon' END,
    CASE WHEN has_function_privilege('authenticated', p.oid, 'EXECUTE') THEN 'authenticated' END,
    CASE WHEN has_function_privilege('service_role', p.oid, 'EXECUTE') THEN 'service_role' END) AS callers
FROM pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace AND p.prorettype <> 'trigger'::regtype
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1
