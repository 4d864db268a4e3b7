-- What still hangs on users_old and is not its own or the two views that go with it; and functions and policies that
-- speak of columns which are gone from users.
SELECT DISTINCT o.type AS kind, o.identity
FROM pg_depend AS d
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS o
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = 'dev.users_old'::regclass
  -- Its own defaults, indexes, constraints, statistics, trigger, policies and type.
  AND NOT (o.identity LIKE '% on dev.users_old' OR o.identity LIKE 'for dev.users_old.%' OR o.identity LIKE 'dev.users_old%'
    OR o.identity LIKE '"_RETURN" on dev.users_old_%' OR o.type IN ('toast table', 'type', 'table constraint') AND NOT EXISTS (
      SELECT FROM pg_constraint AS c WHERE d.classid = 'pg_constraint'::regclass AND c.oid = d.objid AND c.conrelid <> d.refobjid))
UNION ALL
SELECT 'function', p.oid::regprocedure::text
FROM pg_proc AS p
WHERE p.pronamespace = 'dev'::regnamespace AND p.proname NOT LIKE 'users\_old\_%'
  AND p.prosrc ~ ('\m(users_old|access_token_2|refresh_token_2|refresh_expired_2|telegram_signup_token|signal_source_uuid'
    || '|u\.telegram_id|u\.access_token)\M')
