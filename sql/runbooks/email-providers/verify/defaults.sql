-- Tenants that send by SendGrid and have not exactly one default, or a default that nobody may use. Who had configurations
-- before 004, from an earlier try, keeps the default that it chose, even none.
SELECT t.id
FROM dripiq_app.tenants AS t
JOIN dripiq_app.email_sender_identities AS s ON s.tenant_id = t.id AND s.sendgrid_sender_id IS NOT NULL
LEFT JOIN dripiq_app.email_provider_configs AS c ON c.tenant_id = t.id AND c.is_default AND c.is_active AND c.deleted_at IS NULL
WHERE NOT EXISTS (
  SELECT FROM dripiq_app.email_provider_configs AS o
  WHERE o.tenant_id = t.id AND NOT EXISTS (
    SELECT FROM dripiq_app.email_provider_migration_log AS l WHERE l.step = '004' AND l.action = 'created' AND l.config_id = o.id))
GROUP BY t.id
HAVING count(DISTINCT c.id) <> 1
