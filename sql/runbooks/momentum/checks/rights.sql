-- Rights that the steps need and we have not. Policies on storage.objects are for its owner; in Supabase postgres is not
-- the owner, and its setting supautils.policy_grants lets it make them all the same.
SELECT 'CREATE on the database, for the ledger' AS missing
WHERE NOT has_database_privilege(current_database(), 'CREATE')
UNION ALL
SELECT 'CREATE on schema public'
WHERE NOT has_schema_privilege('public', 'CREATE')
UNION ALL
SELECT 'REFERENCES on auth.users, for the foreign key'
WHERE NOT has_table_privilege('auth.users', 'REFERENCES')
UNION ALL
SELECT 'SELECT on auth.users, to copy'
WHERE NOT has_table_privilege('auth.users', 'SELECT')
UNION ALL
SELECT 'INSERT and DELETE on storage.buckets, past its row security'
WHERE NOT (has_table_privilege('storage.buckets', 'INSERT') AND has_table_privilege('storage.buckets', 'DELETE'))
  OR row_security_active('storage.buckets')
UNION ALL
SELECT 'DELETE on storage.objects, past its row security, for the lock and the way back'
WHERE NOT has_table_privilege('storage.objects', 'DELETE') OR row_security_active('storage.objects')
UNION ALL
SELECT 'policies on storage.objects'
WHERE NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = 'storage.objects'::regclass), 'USAGE')
  AND coalesce(current_setting('supautils.policy_grants', true), '') !~ 'storage\.objects'
UNION ALL
SELECT 'owner of ' || c.oid::regclass
FROM pg_class AS c
WHERE c.oid IN (to_regclass('public.legacy_users'), to_regclass('public.legacy_sessions'))
  AND NOT pg_has_role(current_user, c.relowner, 'USAGE')
