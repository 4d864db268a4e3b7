-- A tenant under row security, as the application asks. The role and the tenant are set inside this statement and set
-- back. ts_stat plans the text it is given only when it runs, so it is planned as that role; and it is the one function
-- of every PostgreSQL that runs a text as a query (query_to_xml wants a server built with libxml).
WITH one AS MATERIALIZED (
  SELECT c.tenant_id FROM dripiq_app.email_provider_configs AS c
  JOIN dripiq_app.email_sender_identities AS s ON s.provider_config_id = c.id
  WHERE c.is_default ORDER BY c.created_at, c.tenant_id LIMIT 1
), due AS MATERIALIZED (
  SELECT format('%s configurations, %s tokens, %s senders, lines of history: %s',
    (SELECT count(*) FROM dripiq_app.email_provider_configs AS c WHERE c.tenant_id = one.tenant_id),
    (SELECT count(*) FROM dripiq_app.email_provider_tokens AS k JOIN dripiq_app.email_provider_configs AS c ON c.id = k.config_id
     WHERE c.tenant_id = one.tenant_id),
    (SELECT count(*) FROM dripiq_app.email_sender_identities AS s JOIN dripiq_app.email_provider_configs AS c ON c.id = s.provider_config_id
     WHERE s.tenant_id = one.tenant_id),
    (SELECT count(*) FROM dripiq_app.email_provider_config_history AS h WHERE h.tenant_id = one.tenant_id)) AS rows
  FROM one
), become AS MATERIALIZED (
  SELECT due.rows AS due, set_config('app.tenant_id', one.tenant_id, true) AS tenant, set_config('role', 'dripiq_web', true) AS role
  FROM one, due
), seen AS MATERIALIZED (
  SELECT become.due, answer.word AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'dripiq_web' AND become.tenant <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[format('%s configurations, %s tokens, %s senders, lines of history: %s',
      (SELECT count(*) FROM dripiq_app.email_provider_configs),
      (SELECT count(*) FROM dripiq_app.email_provider_tokens),
      (SELECT count(*) FROM dripiq_app.email_sender_identities AS s JOIN dripiq_app.email_provider_configs AS c ON c.id = s.provider_config_id),
      (SELECT count(*) FROM dripiq_app.email_provider_config_history))]) $$ END) AS answer
)
SELECT CASE WHEN rows = due THEN 'sees own rows only' ELSE format('sees %s instead of %s', rows, due) END AS tenant,
  set_config('role', 'none', true) AS role, set_config('app.tenant_id', '', true) AS claims
FROM seen
UNION ALL
-- Where nobody has a configuration there is nobody to ask as.
SELECT 'sees own rows only', NULL, NULL WHERE NOT EXISTS (SELECT FROM one)
