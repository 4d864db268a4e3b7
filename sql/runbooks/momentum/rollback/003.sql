-- Takes 003 back: the four policies and the two buckets.
BEGIN;

LOCK TABLE storage.objects IN ACCESS EXCLUSIVE MODE;

DROP POLICY "Public logo access" ON storage.objects;
DROP POLICY "Authenticated users can upload logos" ON storage.objects;
DROP POLICY "Users can access own private files" ON storage.objects;
DROP POLICY "Users can upload to own private folder" ON storage.objects;

-- The guide says that deleting the buckets deletes all files. It fails as soon as there is one, by foreign key; and the
-- files are not in the database. Their rows are kept, because by them the store's files are found: either they are given
-- back at the next attempt, or the Storage API deletes them.
\ir keep.sql
SELECT pg_temp.keep('storage.objects', $$SELECT * FROM storage.objects WHERE bucket_id IN ('logos', 'private')$$);
DROP FUNCTION pg_temp.keep(text, text);

-- A newer Supabase refuses to delete these rows by SQL unless this is set.
SET LOCAL storage.allow_delete_query = 'true';

-- Which tables refer to buckets depends on the Storage API's version: files, uploads under way, folders.
DO $bucket_rows$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT c.conrelid::regclass AS name, a.attname AS bucket
    FROM pg_constraint AS c
    JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    WHERE c.contype = 'f' AND c.confrelid = 'storage.buckets'::regclass
      AND (SELECT relnamespace FROM pg_class WHERE oid = c.conrelid) = 'storage'::regnamespace
    ORDER BY c.conrelid = 'storage.objects'::regclass, c.conrelid::regclass::text
  LOOP
    EXECUTE format('DELETE FROM %s WHERE %I IN (''logos'', ''private'')', one.name, one.bucket);
  END LOOP;
END
$bucket_rows$;

DELETE FROM storage.buckets WHERE id IN ('logos', 'private');

COMMIT;
