-- What there is in public, auth and storage, one line each: asked before step one and again after going back.
SELECT c.relnamespace::regnamespace || '.' || c.relname AS name,
  concat_ws(' ', c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relacl::text) AS what
FROM pg_class AS c
WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'auth', 'storage', 'extensions'))
UNION ALL
SELECT format('%s %s', t.tgrelid::regclass, t.tgname), format('%s %s', t.tgenabled, pg_get_triggerdef(t.oid))
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'auth', 'storage'))
UNION ALL
SELECT oid::regprocedure::text, md5(prosrc) || coalesce(proacl::text, '')
FROM pg_proc WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'auth', 'storage', 'extensions'))
UNION ALL
SELECT format('%s.%s %s', schemaname, tablename, policyname), concat_ws(' ', cmd, roles, qual, with_check)
FROM pg_policies
UNION ALL
SELECT 'extension ' || extname, extversion || ' in ' || extnamespace::regnamespace FROM pg_extension
UNION ALL
SELECT 'bucket ' || id, concat_ws(' ', name, public) FROM storage.buckets
ORDER BY 1, 2
