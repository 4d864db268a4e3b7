-- Configurations that this migration made, as nobody has touched them since: any that is not what it should be (the
-- default, unless the tenant has another one), that was made for a tenant without a sender, or twice for one.
SELECT c.id
FROM dripiq_app.email_provider_migration_log AS l
JOIN dripiq_app.email_provider_configs AS c ON c.id = l.config_id
WHERE l.step = '004' AND l.action = 'created' AND c.version = 1 AND (
  (c.tenant_id, c.type, c.config, c.is_default, c.is_active) IS DISTINCT FROM (l.tenant_id, 'sendgrid', '{"legacy": true}'::jsonb,
    NOT EXISTS (SELECT FROM dripiq_app.email_provider_configs AS o WHERE o.tenant_id = c.tenant_id AND o.is_default AND o.id <> c.id), true)
  OR c.name NOT LIKE 'SendGrid (Default)%' OR c.encrypted_credentials IS NOT NULL)
UNION ALL
SELECT l.config_id
FROM dripiq_app.email_provider_migration_log AS l
WHERE l.step = '004' AND l.action IN ('created', 'reused') AND NOT EXISTS (
  SELECT FROM dripiq_app.email_provider_migration_log AS m WHERE m.step = '004' AND m.action = 'linked' AND m.config_id = l.config_id)
UNION ALL
SELECT min(l.config_id)
FROM dripiq_app.email_provider_migration_log AS l
WHERE l.step = '004' AND l.action IN ('created', 'reused')
GROUP BY l.tenant_id HAVING count(*) > 1
