-- Who may read what is encrypted, beside the owner, the application and the worker; by grants to everybody or membership
-- as well. Whoever runs this is left out: to try row security they must be a member of the application's role.
SELECT r.rolname::text, c.oid::regclass || '.' || a.attname AS "column"
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname LIKE 'encrypted\_%'
CROSS JOIN pg_roles AS r
WHERE c.oid IN ('dripiq_app.email_provider_configs'::regclass, 'dripiq_app.email_provider_tokens'::regclass)
  AND NOT r.rolsuper AND r.rolname NOT LIKE 'pg\_%'
  AND r.rolname NOT IN ('dripiq_web', 'dripiq_worker', 'dripiq_service')
  AND r.rolname <> current_user AND NOT pg_has_role(r.oid, c.relowner, 'USAGE')
  AND has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')
