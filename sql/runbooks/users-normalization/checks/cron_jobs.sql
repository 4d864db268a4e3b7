-- Jobs of pg_cron that speak of a column that moves; where the server has no pg_cron, none. The question is put together
-- when it is asked, because the table may not be there; ts_stat runs a text as a query.
SELECT word AS job
FROM ts_stat(CASE WHEN to_regclass('cron.job') IS NULL THEN 'SELECT NULL::tsvector WHERE false' ELSE $$
  SELECT array_to_tsvector(ARRAY[format('%s: %s', jobid, command)]) FROM cron.job
  WHERE active AND command ~ ('\m(telegram_\w+|signal_\w+|gmail_\w+|calendar_\w+|access_token|refresh_token|token_expiration_date'
      || '|client_id|client_secret|auth_code|refresh_expired|granted_scopes|\w+_2)\M')
    AND command ~ '\musers\M' $$ END)
