-- Sessions whose last statement asks dev.users for a column that has moved. For the hours before, look at the error log:
-- column "access_token" does not exist.
SELECT pid, usename, application_name, left(query, 120) AS last_statement
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query_start > now() - interval '10 minutes'
  AND application_name NOT LIKE 'lockstep%'
  AND query ~ '\m(access_token_2|refresh_expired_2|telegram_signup_token|signal_source_uuid|(u|users)\.(access_token|telegram_id))\M'
