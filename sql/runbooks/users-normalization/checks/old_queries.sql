-- Sessions whose last statement asks users for a column that has moved. For the hours before, look at the error log:
-- column "access_token" does not exist.
SELECT pid, usename, application_name, left(query, 120) AS last_statement
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query_start > now() - interval '10 minutes'
  AND application_name NOT LIKE 'lockstep%'
  AND query ~ '\musers\M' AND query !~ '\muser_integrations\M'
  AND query ~ ('\m((access_token|refresh_token|token_expiration_date|client_id|client_secret|auth_code|refresh_expired|granted_scopes)(_2)?'
    || '|gmail_(address|history_id)|calendar_(id|sync_token)|telegram_(id|username|chat_id|signup_token|linked_at)'
    || '|signal_(source_uuid|number|device|linked_at))\M')
