CREATE TABLE zoom_credentials (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID UNIQUE NOT NULL REFERENCES profiles(id) ON DELETE CASCADE,
    access_token TEXT NOT NULL,
    refresh_token TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    zoom_user_id TEXT,
    zoom_email TEXT,
    created_at TIMESTAMPTZ DEFAULT NOW(),
    updated_at TIMESTAMPTZ DEFAULT NOW()
);

CREATE INDEX idx_zoom_credentials_expires ON zoom_credentials(expires_at);
CREATE INDEX idx_zoom_credentials_user ON zoom_credentials(user_id);

ALTER TABLE zoom_credentials ENABLE ROW LEVEL SECURITY;

CREATE POLICY "Users can manage own zoom credentials" ON zoom_credentials
    FOR ALL USING (auth.uid() = user_id);

CREATE OR REPLACE FUNCTION cleanup_expired_zoom_tokens()
RETURNS void AS $$
BEGIN
    DELETE FROM zoom_credentials
    WHERE expires_at < NOW() - INTERVAL '7 days';
END;
$$ LANGUAGE plpgsql;
