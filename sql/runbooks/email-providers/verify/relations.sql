-- Which campaign and message is sent from which sender, and what hangs on a tenant: how many, and a sum for each table.
SELECT 'contact_campaigns' AS name, count(*) AS rows,
  sum(('x' || left(md5(concat_ws('|', id, tenant_id, sender_identity_id)), 15))::bit(60)::bigint)::text AS sum
FROM dripiq_app.contact_campaigns WHERE created_at < '2025-10-01'
UNION ALL
SELECT 'outbound_messages', count(*), sum(('x' || left(md5(concat_ws('|', id, tenant_id, campaign_id, sender_identity_id, provider, provider_message_id)), 15))::bit(60)::bigint)::text
FROM dripiq_app.outbound_messages WHERE created_at < '2025-10-01'
UNION ALL
SELECT 'tenant_domain_mappings', count(*), sum(('x' || left(md5(to_jsonb(d)::text), 15))::bit(60)::bigint)::text
FROM dripiq_app.tenant_domain_mappings AS d WHERE created_at < '2025-10-01'
UNION ALL
SELECT 'tenants', count(*), sum(('x' || left(md5(to_jsonb(t)::text), 15))::bit(60)::bigint)::text
FROM dripiq_app.tenants AS t WHERE created_at < '2025-10-01'
UNION ALL
SELECT 'user_tenants', count(*), sum(('x' || left(md5(to_jsonb(m)::text), 15))::bit(60)::bigint)::text
FROM dripiq_app.user_tenants AS m WHERE created_at < '2025-10-01'
UNION ALL
SELECT 'users', count(*), sum(('x' || left(md5(to_jsonb(u)::text), 15))::bit(60)::bigint)::text
FROM dripiq_app.users AS u WHERE created_at < '2025-10-01'
ORDER BY name
