-- What somebody with a token may do before row security is asked, by table and, where it is not the whole table, by column.
WITH ours AS (
  SELECT oid, relname, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN (
    'workspaces', 'users', 'global_topics', 'trends', 'queries', 'saved_searches', 'leads', 'credit_usage', 'export_jobs',
    'people_search_results', 'saved_people_searches', 'integrations', 'billing_events', 'notification_preferences', 'stripe_customers')
), granted AS (
  SELECT c.relname::text AS name, a.privilege_type AS privilege, NULL::name AS column_name
  FROM ours AS c, aclexplode(c.relacl) AS a
  WHERE a.grantee = 'authenticated'::regrole
  UNION ALL
  SELECT c.relname, a.privilege_type, t.attname
  FROM ours AS c JOIN pg_attribute AS t ON t.attrelid = c.oid AND NOT t.attisdropped, aclexplode(t.attacl) AS a
  WHERE a.grantee = 'authenticated'::regrole
), by_privilege AS (
  SELECT name, privilege || coalesce(' (' || string_agg(column_name::text, ', ' ORDER BY column_name::text COLLATE "C") || ')', '') AS may
  FROM granted GROUP BY name, privilege
)
SELECT name, string_agg(may, '; ' ORDER BY may COLLATE "C") AS may
FROM by_privilege GROUP BY name ORDER BY 1
