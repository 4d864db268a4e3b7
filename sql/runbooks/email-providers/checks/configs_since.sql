-- Configurations that the new application has made: other providers, or with credentials. The old one cannot.
SELECT count(*)
FROM dripiq_app.email_provider_configs
WHERE type <> 'sendgrid' OR encrypted_credentials IS NOT NULL
