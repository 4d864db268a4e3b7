-- The guide's query for policies, of its own tables, with what they say.
SELECT tablename::text, policyname::text, cmd, roles::text,
  replace(coalesce(qual, '') || coalesce(with_check, ''), 'public.', '') AS condition
FROM pg_policies
WHERE schemaname = 'public'
  AND tablename IN ('profiles', 'deliverables', 'organizations', 'organization_members', 'brand_settings', 'zoom_credentials')
ORDER BY 1, 2
