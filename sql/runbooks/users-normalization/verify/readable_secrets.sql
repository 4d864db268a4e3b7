-- Secrets that somebody other than owner, backend and superuser may read, in the new table, in the old one, or by the view
-- that reads the old one as its owner.
SELECT r.rolname, a.attrelid::regclass::text AS name, a.attname
FROM pg_attribute AS a
CROSS JOIN pg_roles AS r
JOIN pg_class AS c ON c.oid = a.attrelid
WHERE a.attrelid IN ('dev.user_integrations'::regclass, to_regclass('dev.users_old'), to_regclass('dev.users_old_integrations'))
  AND a.attname IN ('access_token', 'refresh_token', 'client_secret', 'auth_code', 'credentials', 'access_token_2', 'refresh_token_2',
    'client_secret_2', 'auth_code_2', 'telegram_signup_token')
  AND has_column_privilege(r.oid, a.attrelid, a.attnum, 'SELECT')
  AND NOT r.rolsuper AND NOT pg_has_role(r.oid, c.relowner, 'MEMBER') AND NOT pg_has_role(r.oid, 'dev_backend', 'MEMBER')
  AND NOT pg_has_role(r.oid, 'pg_read_all_data', 'MEMBER')
