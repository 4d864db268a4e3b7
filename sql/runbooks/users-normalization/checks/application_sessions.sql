SELECT pid, usename, application_name, state FROM pg_stat_activity
WHERE datname = current_database() AND usename IN ('app_backend', 'app_member', 'n8n')
