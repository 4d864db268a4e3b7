-- The guide asks storage.policies, which is not there: policies are in pg_policies, those of every schema.
SELECT policyname::text, cmd, coalesce(qual, '') || coalesce(with_check, '') AS condition
FROM pg_policies
WHERE schemaname = 'storage' AND tablename = 'objects'
  AND policyname IN ('Public logo access', 'Authenticated users can upload logos', 'Users can access own private files',
    'Users can upload to own private folder')
ORDER BY 1
