-- What somebody with a token may do before row security is asked, by table and, where it is not the whole table, by column.
WITH granted AS (
  SELECT c.relname::text AS name, a.privilege_type AS privilege, NULL::name AS column_name
  FROM pg_class AS c, aclexplode(c.relacl) AS a
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.grantee = 'authenticated'::regrole
  UNION ALL
  SELECT c.relname, a.privilege_type, t.attname
  FROM pg_class AS c JOIN pg_attribute AS t ON t.attrelid = c.oid AND NOT t.attisdropped, aclexplode(t.attacl) AS a
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.grantee = 'authenticated'::regrole
), by_privilege AS (
  SELECT name, privilege || coalesce(' (' || string_agg(column_name::text, ', ' ORDER BY column_name::text COLLATE "C") || ')', '') AS may
  FROM granted GROUP BY name, privilege
)
SELECT name, string_agg(may, '; ' ORDER BY may COLLATE "C") AS may
FROM by_privilege GROUP BY name ORDER BY 1
