BEGIN;

DROP POLICY "Public logo access" ON storage.objects;
DROP POLICY "Authenticated users can upload logos" ON storage.objects;
DROP POLICY "Users can access own private files" ON storage.objects;
DROP POLICY "Users can upload to own private folder" ON storage.objects;

-- A newer Supabase refuses the guide's DELETE, unless this is set:
--   ERROR:  Direct deletion from storage tables is not allowed. Use the Storage API instead.
SET LOCAL storage.allow_delete_query = 'true';

-- The guide says that its DELETE of the buckets deletes all files. It fails as soon as there is one:
--   ERROR:  update or delete on table "buckets" violates foreign key constraint "objects_bucketId_fkey" on table "objects"
-- Rows are all that SQL can delete: the files themselves stay in the store, unless the Storage API removed them before.
DELETE FROM storage.objects WHERE bucket_id IN ('logos', 'private');
DELETE FROM storage.buckets WHERE id IN ('logos', 'private');

COMMIT;
