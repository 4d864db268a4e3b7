-- Configurations whose history does not begin with their making, or does not reach their version, each version once.
SELECT c.id
FROM dripiq_app.email_provider_configs AS c
LEFT JOIN dripiq_app.email_provider_config_history AS h
  ON h.config_id = c.id AND h.tenant_id = c.tenant_id AND h.action IN ('created', 'updated', 'deleted')
GROUP BY c.id, c.version
HAVING count(h.id) <> c.version OR count(*) FILTER (WHERE h.action = 'created' AND h.version = 1) <> 1 OR max(h.version) <> c.version
