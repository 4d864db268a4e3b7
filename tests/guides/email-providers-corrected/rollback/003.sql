-- The guide has no way back from the data alone. The foreign key is ON DELETE SET NULL: it takes the senders' part back.
BEGIN;
DELETE FROM dripiq_app.email_provider_configs WHERE name = 'SendGrid (Default)' AND config = '{"legacy": true}';
COMMIT;
