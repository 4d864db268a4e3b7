-- Who was given what on which column of the profile, by table or by column: every role there is, because the grants stay
-- with the old table and one that 003 does not know would be missing from then on. The owner has all.
SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END AS grantee, att.attname::text AS name,
  a.privilege_type AS privilege, a.is_grantable
FROM pg_class AS c
JOIN pg_attribute AS att ON att.attrelid = c.oid
  AND att.attname IN ('id', 'created_at', 'email', 'display_name', 'position', 'role', 'phone_number', 'time_zone')
CROSS JOIN LATERAL (SELECT * FROM aclexplode(c.relacl) UNION ALL SELECT * FROM aclexplode(att.attacl)) AS a
WHERE c.oid = to_regclass('dev.users') AND a.grantee <> c.relowner
ORDER BY 1, 2, 3, 4
