INSERT INTO storage.buckets (id, name, public)
VALUES ('logos', 'logos', true);

INSERT INTO storage.buckets (id, name, public)
VALUES ('private', 'private', false);

CREATE POLICY "Public logo access" ON storage.objects
    FOR SELECT USING (bucket_id = 'logos');

CREATE POLICY "Authenticated users can upload logos" ON storage.objects
    FOR INSERT WITH CHECK (
        bucket_id = 'logos' AND
        auth.role() = 'authenticated'
    );

CREATE POLICY "Users can access own private files" ON storage.objects
    FOR SELECT USING (
        bucket_id = 'private' AND
        auth.uid()::text = (storage.foldername(name))[1]
    );

CREATE POLICY "Users can upload to own private folder" ON storage.objects
    FOR INSERT WITH CHECK (
        bucket_id = 'private' AND
        auth.uid()::text = (storage.foldername(name))[1]
    );
