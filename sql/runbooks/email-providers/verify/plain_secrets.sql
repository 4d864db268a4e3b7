-- How many secrets can be read without a key. Numbers only: what is found may not be shown.
SELECT
  (SELECT count(*) FROM dripiq_app.email_provider_configs
   WHERE dripiq_app.is_plain_secret(encrypted_credentials) OR dripiq_app.secret_in(config) IS NOT NULL)
  + (SELECT count(*) FROM dripiq_app.email_provider_tokens
     WHERE dripiq_app.is_plain_secret(encrypted_access_token) OR dripiq_app.is_plain_secret(encrypted_refresh_token))
  + (SELECT count(*) FROM dripiq_app.email_provider_config_history WHERE dripiq_app.secret_in(config) IS NOT NULL) AS readable
