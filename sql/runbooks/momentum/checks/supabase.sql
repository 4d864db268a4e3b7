-- What the steps presuppose of Supabase and do not find.
SELECT 'relation ' || name AS missing
FROM unnest(ARRAY['auth.users', 'storage.buckets', 'storage.objects']) AS name
WHERE to_regclass(name) IS NULL
UNION ALL
SELECT 'function ' || name
FROM unnest(ARRAY['auth.uid()', 'auth.role()', 'storage.foldername(text)']) AS name
WHERE to_regprocedure(name) IS NULL
UNION ALL
SELECT 'role ' || name
FROM unnest(ARRAY['anon', 'authenticated', 'service_role']) AS name
WHERE to_regrole(name) IS NULL
UNION ALL
SELECT 'row security on ' || c.oid::regclass
FROM pg_class AS c
WHERE c.oid IN (to_regclass('storage.buckets'), to_regclass('storage.objects')) AND NOT c.relrowsecurity
UNION ALL
SELECT 'a uuid as primary key of auth.users'
WHERE NOT EXISTS (SELECT FROM pg_constraint AS c JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND ARRAY[a.attnum] = c.conkey
                  WHERE c.conrelid = to_regclass('auth.users') AND c.contype = 'p' AND a.attname = 'id' AND a.atttypid = 'uuid'::regtype)
