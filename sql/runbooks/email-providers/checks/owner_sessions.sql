-- Sessions of the application, and not ours, that skip row security: as the tables' owner, a superuser, or with BYPASSRLS.
SELECT a.pid, a.usename, a.application_name
FROM pg_stat_activity AS a JOIN pg_roles AS r ON r.oid = a.usesysid
WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
  AND a.application_name NOT LIKE 'lockstep%' AND a.application_name NOT IN ('psql', 'pg_dump')
  AND (r.rolsuper OR r.rolbypassrls
    OR r.oid = (SELECT relowner FROM pg_class WHERE oid = to_regclass('dripiq_app.email_sender_identities')))
