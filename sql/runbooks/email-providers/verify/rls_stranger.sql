-- The application without a tenant, and with one that is not there (see rls_tenant.sql for how it is asked), sees nothing.
WITH become AS MATERIALIZED (
  SELECT set_config('app.tenant_id', 'nobody', true) AS tenant, set_config('role', 'dripiq_web', true) AS role
), seen AS MATERIALIZED (
  SELECT answer.word::bigint AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'dripiq_web' AND become.tenant <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[(
      (SELECT count(*) FROM dripiq_app.email_provider_configs) + (SELECT count(*) FROM dripiq_app.email_provider_tokens)
      + (SELECT count(*) FROM dripiq_app.email_provider_config_history) + (SELECT count(*) FROM dripiq_app.email_sender_identities))::text]) $$ END) AS answer
), nameless AS MATERIALIZED (
  SELECT set_config('app.tenant_id', '', true) AS tenant, seen.rows FROM seen
), seen_again AS MATERIALIZED (
  SELECT nameless.rows + answer.word::bigint AS rows
  FROM nameless, LATERAL ts_stat(CASE WHEN nameless.tenant = '' THEN
    'SELECT array_to_tsvector(ARRAY[count(*)::text]) FROM dripiq_app.email_provider_configs' END) AS answer
)
SELECT rows, set_config('role', 'none', true) AS role FROM seen_again
