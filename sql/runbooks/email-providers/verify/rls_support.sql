-- Support sees all configurations (see rls_tenant.sql for how it is asked), and of no column that is encrypted anything.
WITH due AS MATERIALIZED (
  SELECT count(*)::text AS rows FROM dripiq_app.email_provider_configs
), become AS MATERIALIZED (
  SELECT due.rows AS due, set_config('role', 'dripiq_support', true) AS role FROM due
), seen AS MATERIALIZED (
  SELECT become.due, answer.word AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'dripiq_support' THEN
    'SELECT array_to_tsvector(ARRAY[count(id)::text]) FROM dripiq_app.email_provider_configs' END) AS answer
)
SELECT CASE WHEN rows <> due THEN format('sees %s instead of %s', rows, due)
    WHEN has_column_privilege('dripiq_support', 'dripiq_app.email_provider_configs', 'encrypted_credentials', 'SELECT')
      OR has_column_privilege('dripiq_support', 'dripiq_app.email_provider_tokens', 'encrypted_access_token', 'SELECT')
      OR has_column_privilege('dripiq_support', 'dripiq_app.email_provider_tokens', 'encrypted_refresh_token', 'SELECT') THEN 'may read secrets'
    ELSE 'sees all but secrets' END AS support,
  set_config('role', 'none', true) AS role
FROM seen
