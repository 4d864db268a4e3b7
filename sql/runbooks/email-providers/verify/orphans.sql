-- Rows of every table that refer to something that is not there. Valid keys forbid it; this asks the rows.
SELECT (SELECT count(*) FROM dripiq_app.email_provider_configs AS c WHERE NOT EXISTS (SELECT FROM dripiq_app.tenants AS t WHERE t.id = c.tenant_id))
  + (SELECT count(*) FROM dripiq_app.email_provider_tokens AS k WHERE NOT EXISTS (SELECT FROM dripiq_app.email_provider_configs AS c WHERE c.id = k.config_id))
  + (SELECT count(*) FROM dripiq_app.email_sender_identities AS s WHERE s.provider_config_id IS NOT NULL
     AND NOT EXISTS (SELECT FROM dripiq_app.email_provider_configs AS c WHERE c.id = s.provider_config_id AND c.tenant_id = s.tenant_id))
  + (SELECT count(*) FROM dripiq_app.email_sender_identities AS s WHERE NOT EXISTS (SELECT FROM dripiq_app.tenants AS t WHERE t.id = s.tenant_id))
  + (SELECT count(*) FROM dripiq_app.contact_campaigns AS c WHERE c.sender_identity_id IS NOT NULL
     AND NOT EXISTS (SELECT FROM dripiq_app.email_sender_identities AS s WHERE s.id = c.sender_identity_id)) AS orphans
