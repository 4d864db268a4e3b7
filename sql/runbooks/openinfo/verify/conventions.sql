-- What the guide says holds for every table, and where it does not. Empty is right.
WITH ours AS (
  SELECT c.oid, c.relname::text AS name FROM pg_class AS c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname IN (
    'workspaces', 'users', 'global_topics', 'trends', 'queries', 'saved_searches', 'leads', 'credit_usage', 'export_jobs',
    'people_search_results', 'saved_people_searches', 'integrations', 'billing_events', 'notification_preferences', 'stripe_customers')
), columns AS (
  SELECT ours.oid, ours.name, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
    pg_get_expr(d.adbin, d.adrelid) AS preset
  FROM ours
  JOIN pg_attribute AS a ON a.attrelid = ours.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
), keys AS (
  SELECT ours.oid, ours.name, k.conname, k.conkey, k.confrelid::regclass::text AS parent, k.confdeltype, k.convalidated
  FROM ours JOIN pg_constraint AS k ON k.conrelid = ours.oid AND k.contype = 'f'
), due (column_name, type, required, preset) AS (
  VALUES ('id', 'uuid', true, 'gen_random_uuid()'), ('created_at', 'timestamp with time zone', true, 'now()'),
    ('updated_at', 'timestamp with time zone', true, 'now()'), ('created_by', 'uuid', false, 'get_user_id()')
)
SELECT ours.name, 'column ' || due.column_name || ' is not as in every table' AS wrong
FROM ours CROSS JOIN due
WHERE NOT EXISTS (
  SELECT FROM columns AS c WHERE c.oid = ours.oid AND c.attname = due.column_name AND c.type = due.type
    AND c.attnotnull = due.required AND replace(c.preset, 'public.', '') = due.preset)
UNION ALL
SELECT name, 'time without zone in ' || attname FROM columns WHERE type LIKE 'timestamp%without%'
UNION ALL
SELECT name, 'no trigger that keeps updated_at' FROM ours
WHERE NOT EXISTS (
  SELECT FROM pg_trigger AS t WHERE t.tgrelid = ours.oid AND t.tgenabled = 'O' AND t.tgfoid = to_regprocedure('public.set_updated_at()')
    AND t.tgtype = 19)
UNION ALL
SELECT name, 'no workspace_id that must be there and goes with the workspace' FROM ours
WHERE name NOT IN ('workspaces', 'global_topics', 'trends') AND NOT EXISTS (
  SELECT FROM columns AS c
  JOIN keys AS k ON k.oid = c.oid AND k.conkey = ARRAY[c.attnum] AND k.parent IN ('workspaces', 'public.workspaces') AND k.confdeltype = 'c'
  WHERE c.oid = ours.oid AND c.attname = 'workspace_id' AND c.type = 'uuid' AND c.attnotnull)
UNION ALL
-- Deleting a parent takes its rows along or is refused; who made a row is only forgotten, for the row is the workspace's.
SELECT keys.name, conname || ' does neither CASCADE nor RESTRICT' FROM keys
WHERE confdeltype NOT IN ('c', 'r') AND NOT (confdeltype = 'n' AND conname LIKE '%\_created\_by\_fkey')
UNION ALL
SELECT keys.name, conname || ' is not validated' FROM keys WHERE NOT convalidated
UNION ALL
SELECT DISTINCT c.name, 'foreign key column ' || c.attname || ' has no index'
FROM keys AS k CROSS JOIN LATERAL unnest(k.conkey) AS part JOIN columns AS c ON c.oid = k.oid AND c.attnum = part
WHERE NOT EXISTS (
  SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indkey[0] = c.attnum AND i.indisvalid AND i.indpred IS NULL)
UNION ALL
SELECT columns.name, attname || ' is jsonb and may be something else than an object'
FROM columns
WHERE type = 'jsonb' AND NOT EXISTS (
  SELECT FROM pg_constraint AS k WHERE k.conrelid = columns.oid AND k.contype = 'c' AND k.convalidated
    AND k.conkey = ARRAY[columns.attnum] AND pg_get_constraintdef(k.oid) LIKE '%jsonb_typeof%object%')
UNION ALL
SELECT '15 tables', count(*) || ' are there' FROM ours HAVING count(*) <> 15
ORDER BY 1, 2
