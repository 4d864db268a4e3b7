-- Who may do what with which column of the profile.
SELECT r.rolname::text, c.name, p.privilege
FROM (VALUES ('dev_backend'), ('dev_member'), ('bi_report'), ('app_backend'), ('app_member'), ('n8n')) AS r (rolname)
CROSS JOIN (VALUES ('id'), ('created_at'), ('email'), ('display_name'), ('position'), ('role'), ('phone_number'), ('time_zone')) AS c (name)
CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE')) AS p (privilege)
WHERE has_column_privilege(r.rolname, 'dev.users', c.name, p.privilege)
ORDER BY 1, 2, 3
