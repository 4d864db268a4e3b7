WITH sendgrid_configs AS (
  INSERT INTO "dripiq_app"."email_provider_configs" (
    "tenant_id",
    "type",
    "name",
    "config",
    "is_default",
    "is_active"
  )
  SELECT DISTINCT
    t.id as tenant_id,
    'sendgrid' as type,
    'SendGrid (Default)' as name,
    '{"legacy": true}'::jsonb as config,
    true as is_default,
    true as is_active
  FROM "dripiq_app"."tenants" t
  WHERE EXISTS (
    SELECT 1 FROM "dripiq_app"."email_sender_identities" esi
    WHERE esi.tenant_id = t.id
    AND esi.sendgrid_sender_id IS NOT NULL
  )
  RETURNING id, tenant_id
)
UPDATE "dripiq_app"."email_sender_identities"
SET provider_config_id = sc.id
FROM sendgrid_configs sc
WHERE email_sender_identities.tenant_id = sc.tenant_id
AND email_sender_identities.sendgrid_sender_id IS NOT NULL;
