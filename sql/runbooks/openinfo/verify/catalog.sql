-- Everything in public and what hangs on Supabase's own tables: as before.
SELECT 'relation' AS kind, oid::regclass::text AS name,
  format('%s row security %s', relkind, relrowsecurity) AS definition, relacl::text AS acl
FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'function', oid::regprocedure::text, md5(prosrc), proacl::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'type', typname, typtype::text, typacl::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
UNION ALL
SELECT 'constraint', conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid), NULL FROM pg_constraint
WHERE connamespace IN ('public'::regnamespace, 'auth'::regnamespace, 'storage'::regnamespace)
UNION ALL
SELECT 'policy', polrelid::regclass || ' ' || polname, pg_get_expr(polqual, polrelid), NULL FROM pg_policy
UNION ALL
SELECT 'trigger', tgrelid::regclass || ' ' || tgname, tgenabled::text, NULL FROM pg_trigger
WHERE NOT tgisinternal AND tgrelid NOT IN (
  SELECT oid FROM pg_class WHERE relnamespace IN (to_regnamespace('lockstep'), to_regnamespace('cron')))
UNION ALL
SELECT 'trigger of a key', tgrelid::regclass::text, count(*)::text, NULL FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE tgisinternal AND c.relnamespace = to_regnamespace('auth') GROUP BY tgrelid
UNION ALL
SELECT 'default privileges', defaclrole::regrole || ' ' || defaclnamespace::regnamespace || ' ' || defaclobjtype::text, NULL,
  defaclacl::text
FROM pg_default_acl
UNION ALL
SELECT 'schema', nspname, NULL, nspacl::text FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'lockstep', 'openinfo_kept')
ORDER BY 1, 2, 3
