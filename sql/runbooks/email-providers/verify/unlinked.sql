-- Senders with a number at SendGrid that have no configuration, or one of another tenant.
SELECT s.id
FROM dripiq_app.email_sender_identities AS s
LEFT JOIN dripiq_app.email_provider_configs AS c ON c.id = s.provider_config_id
WHERE s.sendgrid_sender_id IS NOT NULL AND (c.id IS NULL OR c.tenant_id <> s.tenant_id)
