-- Names that the steps are about to give.
SELECT 'relation' AS kind, relname::text AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relname IN (
  'profiles', 'deliverables', 'organizations', 'organization_members', 'brand_settings', 'zoom_credentials', 'legacy_left_behind',
  'idx_deliverables_user_created', 'idx_org_members_user', 'idx_org_members_org', 'idx_zoom_credentials_expires',
  'idx_zoom_credentials_user')
UNION ALL
SELECT 'type', typname FROM pg_type
WHERE typnamespace = 'public'::regnamespace AND typrelid = 0 AND typname IN (
  'profiles', 'deliverables', 'organizations', 'organization_members', 'brand_settings', 'zoom_credentials', 'legacy_left_behind')
UNION ALL
SELECT 'function', oid::regprocedure::text FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proname IN ('my_organizations', 'my_managed_organizations',
  'cleanup_expired_zoom_tokens', 'carry_over_legacy_user', 'carry_over_legacy_session')
UNION ALL
SELECT 'trigger', tgname || ' on ' || tgrelid::regclass FROM pg_trigger
WHERE tgname = 'carry_over' AND tgrelid IN (to_regclass('public.legacy_users'), to_regclass('public.legacy_sessions'))
UNION ALL
SELECT 'policy', policyname || ' on ' || tablename FROM pg_policies
WHERE schemaname = 'storage' AND tablename = 'objects' AND policyname IN ('Public logo access', 'Authenticated users can upload logos',
  'Users can access own private files', 'Users can upload to own private folder')
UNION ALL
SELECT 'bucket', id FROM storage.buckets WHERE id IN ('logos', 'private') OR name IN ('logos', 'private')
