-- What the log does not tell: senders from before the night that have a configuration made by 004 and are not in the log,
-- or twice; and senders in the log that are gone while their tenant is still there.
SELECT s.id
FROM dripiq_app.email_sender_identities AS s
JOIN dripiq_app.email_provider_migration_log AS made ON made.step = '004' AND made.action = 'created' AND made.config_id = s.provider_config_id
LEFT JOIN dripiq_app.email_provider_migration_log AS l ON l.sender_id = s.id AND l.action = 'linked'
WHERE s.created_at < '2025-10-01' AND (s.updated_at <= made.done_at OR NOT isfinite(s.updated_at))
GROUP BY s.id HAVING count(l.id) <> 1
UNION ALL
SELECT l.sender_id
FROM dripiq_app.email_provider_migration_log AS l
JOIN dripiq_app.tenants AS t ON t.id = l.tenant_id
LEFT JOIN dripiq_app.email_sender_identities AS s ON s.id = l.sender_id
WHERE l.action = 'linked' AND s.id IS NULL
