-- The eight indexes of the guide by name, and what they are on.
SELECT indexname::text, regexp_replace(indexdef, '^.* USING ', '') AS definition
FROM pg_indexes
WHERE schemaname = 'dripiq_app' AND indexname IN (
  'email_provider_configs_tenant_id_idx', 'email_provider_configs_tenant_id_type_idx',
  'email_provider_configs_tenant_id_is_active_idx', 'email_provider_configs_tenant_id_is_default_idx',
  'email_provider_tokens_config_id_idx', 'email_provider_tokens_expires_at_idx',
  'email_sender_identities_provider_config_id_idx', 'email_sender_identities_tenant_provider_idx')
ORDER BY indexname
