SELECT tablename::text, policyname::text, permissive, cmd, roles::text[]::text AS roles, replace(qual, 'public.', '') AS using
FROM pg_policies
WHERE schemaname = 'public'
ORDER BY 1, 2
