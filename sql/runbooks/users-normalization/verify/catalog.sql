-- Everything in dev that has a definition, one line each: asked before step one and again after going back. The tables in
-- which the way back puts aside what the wide table has no place for are left out.
SELECT 'column' AS kind,
  format('%s.%s', c.relname, a.attname) AS name,
  format('%s %s %s %s', row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN 'not null' END, pg_get_expr(d.adbin, d.adrelid)) AS definition,
  a.attacl::text AS grants, col_description(c.oid, a.attnum) AS comment
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'dev'::regnamespace AND c.relkind IN ('r', 'v') AND c.relname NOT IN ('services_kept', 'user_integrations_kept')
UNION ALL
SELECT 'relation', relname,
  CASE WHEN relkind = 'i' THEN pg_get_indexdef(oid) WHEN relkind = 'v' THEN pg_get_viewdef(oid)
    ELSE format('row security %s %s', relrowsecurity, relforcerowsecurity) END,
  relacl::text, obj_description(oid, 'pg_class')
FROM pg_class WHERE relnamespace = 'dev'::regnamespace AND relname NOT IN ('services_kept', 'user_integrations_kept')
UNION ALL
SELECT 'constraint', format('%s %s', conrelid::regclass, conname), format('%s %s', pg_get_constraintdef(oid), convalidated), NULL,
  obj_description(oid, 'pg_constraint')
FROM pg_constraint WHERE connamespace = 'dev'::regnamespace
UNION ALL
SELECT 'policy', format('%s %s', polrelid::regclass, polname), format('%s %s %s using %s check %s', polcmd, polpermissive,
    polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)), NULL,
  obj_description(oid, 'pg_policy')
FROM pg_policy
UNION ALL
SELECT 'trigger', format('%s %s', t.tgrelid::regclass, t.tgname), format('%s %s', t.tgenabled, pg_get_triggerdef(t.oid)), NULL,
  obj_description(t.oid, 'pg_trigger')
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'dev'::regnamespace AND NOT t.tgisinternal
UNION ALL
SELECT 'function', oid::regprocedure::text, pg_get_functiondef(oid), proacl::text, obj_description(oid, 'pg_proc')
FROM pg_proc WHERE pronamespace = 'dev'::regnamespace AND prokind IN ('f', 'p')
UNION ALL
SELECT 'enum', t.typname, string_agg(e.enumlabel, ' ' ORDER BY e.enumsortorder), t.typacl::text, obj_description(t.oid, 'pg_type')
FROM pg_type AS t JOIN pg_enum AS e ON e.enumtypid = t.oid
WHERE t.typnamespace = 'dev'::regnamespace GROUP BY t.oid, t.typname, t.typacl
UNION ALL
SELECT 'statistics', stxname, pg_get_statisticsobjdef(oid), NULL, obj_description(oid, 'pg_statistic_ext')
FROM pg_statistic_ext WHERE stxnamespace = 'dev'::regnamespace
ORDER BY 1, 2
