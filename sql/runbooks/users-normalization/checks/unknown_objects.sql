-- What hangs on users and is not what 003 leads to the new table, or what it expects and is not there; and functions that
-- speak of columns which move. A view, a policy elsewhere, a grant or a foreign key would stay with users_old, without a word.
WITH known (kind, identity) AS (
  VALUES
    ('check', 'users_email_check on dev.users'),
    ('default', 'id'), ('default', 'created_at'), ('default', 'role'), ('default', 'time_zone'),
    ('foreign key', 'tasks_user_id_fkey on dev.tasks'),
    ('foreign key', 'emails_user_id_fkey on dev.emails'),
    ('foreign key', 'digests_user_id_fkey on dev.digests'),
    ('foreign key', 'preferences_user_id_fkey on dev.preferences'),
    ('foreign key', 'user_logs_user_id_fkey on dev.user_logs'),
    ('function that speaks of a column that moves', 'dev.find_user_by_telegram(text)'),
    ('grants to', 'bi_report'), ('grants to', 'dev_backend'), ('grants to', 'dev_member'),
    ('index', 'users_pkey'), ('index', 'users_email_idx'), ('index', 'users_telegram_id_idx'), ('index', 'users_created_at_idx'),
    ('policy', 'The backend works with every user on dev.users'),
    ('policy', 'Members see themselves, admins everybody on dev.users'),
    ('policy', 'Members change themselves on dev.users'),
    ('policy', 'Reports count everybody on dev.users'),
    ('policy', 'Admins see every task on dev.tasks'),
    ('statistics', 'users_role_position'),
    ('trigger', 'users_clean_email'),
    ('view', 'dev.team_directory')
), found (kind, identity) AS (
  SELECT 'check', conname || ' on ' || conrelid::regclass FROM pg_constraint
  WHERE conrelid = to_regclass('dev.users') AND contype IN ('c', 'x', 't')
  UNION ALL
  SELECT 'default', attname FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  WHERE d.adrelid = to_regclass('dev.users')
  UNION ALL
  SELECT 'foreign key', conname || ' on ' || conrelid::regclass FROM pg_constraint
  WHERE contype = 'f' AND to_regclass('dev.users') IN (confrelid, conrelid)
  UNION ALL
  SELECT 'function that speaks of a column that moves', replace(o.identity, 'pg_catalog.', '')
  FROM pg_proc AS p, LATERAL pg_identify_object('pg_proc'::regclass, p.oid, 0) AS o
  WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AND p.prosrc ~ '\musers\M'
    AND p.prosrc ~ ('\m(telegram_\w+|signal_\w+|gmail_\w+|calendar_\w+|access_token|refresh_token|token_expiration_date|client_id'
      || '|client_secret|auth_code|refresh_expired|granted_scopes|\w+_2)\M')
  UNION ALL
  -- By its body or by the row type, which both go on with users_old.
  SELECT DISTINCT 'bound to users', replace(o.identity, 'pg_catalog.', '')
  FROM pg_class AS c JOIN pg_type AS t ON t.oid = c.reltype
  JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
    OR d.classid IN ('pg_proc'::regclass, 'pg_class'::regclass) AND d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray),
  LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS o
  WHERE c.oid = to_regclass('dev.users')
  UNION ALL
  -- Grants stay with users_old: 003 gives those of the three roles that it knows.
  SELECT DISTINCT 'grants to', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END
    || CASE WHEN a.is_grantable THEN ' with grant option' ELSE '' END
  FROM pg_class AS c
  LEFT JOIN pg_attribute AS att ON att.attrelid = c.oid AND att.attacl IS NOT NULL AND NOT att.attisdropped
  CROSS JOIN LATERAL (SELECT * FROM aclexplode(c.relacl) UNION ALL SELECT * FROM aclexplode(att.attacl)) AS a
  WHERE c.oid = to_regclass('dev.users') AND a.grantee <> c.relowner
  UNION ALL
  SELECT 'index', c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass('dev.users')
  UNION ALL
  SELECT DISTINCT 'policy', p.polname || ' on ' || p.polrelid::regclass
  FROM pg_policy AS p
  WHERE p.polrelid = to_regclass('dev.users') OR EXISTS (
    SELECT FROM pg_depend AS d WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass('dev.users'))
  UNION ALL
  SELECT 'statistics', stxname FROM pg_statistic_ext WHERE stxrelid = to_regclass('dev.users')
  UNION ALL
  SELECT 'trigger', tgname FROM pg_trigger WHERE tgrelid = to_regclass('dev.users') AND NOT tgisinternal
  UNION ALL
  SELECT DISTINCT 'view', r.ev_class::regclass::text
  FROM pg_depend AS d JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass('dev.users')
  UNION ALL
  SELECT 'inherits', inhrelid::regclass::text FROM pg_inherits WHERE to_regclass('dev.users') IN (inhparent, inhrelid)
)
SELECT CASE WHEN known.kind IS NULL THEN 'unknown' ELSE 'missing' END AS finding, kind, identity
FROM known FULL JOIN found USING (kind, identity)
WHERE known IS NULL OR found IS NULL
ORDER BY 1, 2, 3
