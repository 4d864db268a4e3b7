-- How many users have each of the keys, in metadata or among the originals of what was moved: none may get lost.
-- last_login_at is left out, because the application writes it all the time. Rows from before the night of the guide.
SELECT btrim(regexp_replace(query_to_xml(format($$
  SELECT string_agg(key || ' ' || n, ', ' ORDER BY key)
  FROM (
    SELECT key, count(*) AS n
    FROM (
      SELECT metadata || coalesce(metadata -> 'moved_to_columns', '{}') AS fields
      FROM public.%I WHERE jsonb_typeof(metadata) = 'object' AND created_at < '2025-10-25'
    ) AS user_fields, LATERAL jsonb_object_keys(fields) AS key
    WHERE key IN ('avatar_url', 'phone', 'timezone', 'preferences')
    GROUP BY key
  ) AS keys $$, CASE WHEN to_regclass('public.users') IS NULL THEN 'iso_agents' ELSE 'users' END),
  false, true, '')::text, '<[^>]*>', '', 'g'), E' \n') AS keys
