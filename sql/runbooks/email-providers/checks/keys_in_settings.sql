-- Settings of the database and of roles that sound like a key: by name only, because the value may be one.
SELECT coalesce(d.datname, 'every database') AS database, coalesce(r.rolname, 'every role') AS role, split_part(one, '=', 1) AS setting
FROM pg_db_role_setting AS s
LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
LEFT JOIN pg_roles AS r ON r.oid = s.setrole
CROSS JOIN LATERAL unnest(s.setconfig) AS one
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND split_part(one, '=', 1) ~* '(encrypt|secret|master_?key|api_?key)'
