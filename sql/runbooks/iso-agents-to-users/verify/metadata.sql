-- How many users have each of the keys, in metadata or among the originals of what was moved: none may get lost.
-- last_login_at is left out, because the application writes it all the time. Rows from before the night of the guide.
-- See roles.sql for ts_stat.
SELECT word AS key_and_users
FROM ts_stat(format($$
  SELECT array_to_tsvector(ARRAY[format('%%s: %%s', key, count(*))])
  FROM (
    SELECT metadata || coalesce(metadata -> 'moved_to_columns', '{}') AS fields
    FROM public.%I WHERE jsonb_typeof(metadata) = 'object' AND created_at < '2025-10-25'
  ) AS user_fields, LATERAL jsonb_object_keys(fields) AS key
  WHERE key IN ('avatar_url', 'phone', 'timezone', 'preferences')
  GROUP BY key $$,
  CASE WHEN to_regclass('public.users') IS NULL THEN 'iso_agents' ELSE 'users' END))
ORDER BY 1
