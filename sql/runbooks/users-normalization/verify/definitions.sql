-- What 003 makes anew for the new table, by its definition and not by its name alone: asked before step one and again
-- after 003, which writes what it knows, whatever was there. Left out is what is meant to differ: the columns that move,
-- the index on telegram_id, the unique address.
SELECT 'column' AS kind, a.attname::text AS name,
  concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation, a.attstorage, a.attcompression, a.attstattarget,
    a.attoptions::text, pg_get_expr(d.adbin, d.adrelid)) AS definition,
  col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute AS a
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = to_regclass('dev.users')
  AND a.attname IN ('id', 'created_at', 'email', 'display_name', 'position', 'role', 'phone_number', 'time_zone')
UNION ALL
SELECT 'table', oid::regclass::text, format('%s %s %s %s %s %s', relrowsecurity, relforcerowsecurity, relpersistence, relreplident,
  reltablespace, reloptions), NULL
FROM pg_class WHERE oid IN (to_regclass('dev.users'), to_regclass('dev.team_directory'))
UNION ALL
SELECT 'view', 'dev.team_directory', pg_get_viewdef(to_regclass('dev.team_directory')), NULL
UNION ALL
SELECT 'check', conname, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint')
FROM pg_constraint WHERE conrelid = to_regclass('dev.users') AND contype IN ('c', 'x')
UNION ALL
SELECT 'index', c.relname, pg_get_indexdef(c.oid), obj_description(c.oid, 'pg_class')
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass('dev.users') AND c.relname NOT IN ('users_telegram_id_idx', 'users_email_key')
UNION ALL
SELECT 'policy', p.polname || ' on ' || p.polrelid::regclass, format('%s %s %s using %s check %s', p.polcmd, p.polpermissive,
  p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)), obj_description(p.oid, 'pg_policy')
FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
WHERE c.relnamespace = 'dev'::regnamespace AND c.relname NOT IN ('users_old', 'user_integrations', 'users_duplicate_emails')
UNION ALL
SELECT 'trigger', tgname, format('%s %s', tgenabled, pg_get_triggerdef(oid)), obj_description(oid, 'pg_trigger')
FROM pg_trigger WHERE tgrelid = to_regclass('dev.users') AND NOT tgisinternal
UNION ALL
SELECT 'statistics', stxname, pg_get_statisticsobjdef(oid), obj_description(oid, 'pg_statistic_ext')
FROM pg_statistic_ext WHERE stxrelid = to_regclass('dev.users')
ORDER BY 1, 2
