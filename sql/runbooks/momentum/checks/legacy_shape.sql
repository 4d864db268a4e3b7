-- The old system's columns that 004 and 005 read, as they must be: of that type (varchar serves as text), and the keys unique.
WITH due (relation, name, type) AS (
  VALUES
    ('public.legacy_users', 'id', 'uuid'), ('public.legacy_users', 'email', 'text'), ('public.legacy_users', 'display_name', 'text'),
    ('public.legacy_users', 'created_at', 'timestamp with time zone'),
    ('public.legacy_sessions', 'session_id', 'text'), ('public.legacy_sessions', 'user_id', 'uuid'),
    ('public.legacy_sessions', 'client_name', 'text'), ('public.legacy_sessions', 'rendered_html', 'text'),
    ('public.legacy_sessions', 'created_at', 'timestamp with time zone')
)
SELECT format('%s.%s as %s', relation, name, type) AS missing
FROM due
WHERE NOT EXISTS (
  SELECT FROM pg_attribute AS a
  WHERE a.attrelid = to_regclass(relation) AND a.attname = name AND NOT a.attisdropped
    AND replace(format_type(a.atttypid, NULL), 'character varying', 'text') = type)
UNION ALL
SELECT format('a unique key on %s(%s)', relation, name)
FROM (VALUES ('public.legacy_users', 'id'), ('public.legacy_sessions', 'session_id')) AS key (relation, name)
WHERE NOT EXISTS (
  SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = to_regclass(relation) AND i.indnkeyatts = 1 AND a.attname = name AND i.indisunique AND i.indisvalid AND i.indpred IS NULL)
