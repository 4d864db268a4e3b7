-- 003: the buckets logos (public) and private, and who may read and write in them.
BEGIN;

-- CREATE POLICY takes this lock four times; taken once, first, nobody can come in between. Whoever has read a file's row
-- in a transaction that is still open makes us wait here, before anything is done.
LOCK TABLE storage.objects IN ACCESS EXCLUSIVE MODE;

INSERT INTO storage.buckets (id, name, public) VALUES ('logos', 'logos', true);
INSERT INTO storage.buckets (id, name, public) VALUES ('private', 'private', false);

-- No COMMENT ON POLICY here: in Supabase postgres may make policies on this table without owning it, and no comments.
CREATE POLICY "Public logo access" ON storage.objects
  FOR SELECT USING (bucket_id = 'logos');
CREATE POLICY "Authenticated users can upload logos" ON storage.objects
  FOR INSERT WITH CHECK (
    bucket_id = 'logos'
    AND (SELECT auth.role()) = 'authenticated'
  );

-- The first folder of a file's name is its owner's id.
CREATE POLICY "Users can access own private files" ON storage.objects
  FOR SELECT USING (
    bucket_id = 'private'
    AND (SELECT auth.uid())::text = (storage.foldername(name))[1]
  );
CREATE POLICY "Users can upload to own private folder" ON storage.objects
  FOR INSERT WITH CHECK (
    bucket_id = 'private'
    AND (SELECT auth.uid())::text = (storage.foldername(name))[1]
  );

\ir 003_try_storage.sql

COMMIT;
