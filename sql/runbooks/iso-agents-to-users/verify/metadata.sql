-- How many users have each of the keys, in metadata or among the originals of what was moved, and one sum over every
-- user's metadata as it was before the move, row by row: nothing may get lost. last_login_at is left out, because the
-- application writes it all the time; where it is written to a user whose metadata was no object, the way back keeps that
-- as metadata_was. Rows from before the night of the guide. See roles.sql for ts_stat.
SELECT word AS key_and_users
FROM ts_stat(format($$
  WITH known AS (
    SELECT id, metadata,
      CASE WHEN jsonb_typeof(metadata) = 'object'
        THEN (metadata || coalesce(metadata -> 'moved_to_columns', '{}')) - 'moved_to_columns' - 'last_login_at' END AS fields
    FROM public.%I WHERE created_at < '2025-10-25'
  )
  SELECT array_to_tsvector(ARRAY[format('%%s: %%s', key, count(*))])
  FROM known, LATERAL jsonb_object_keys(fields) AS key
  WHERE key IN ('avatar_url', 'phone', 'timezone', 'preferences')
  GROUP BY key
  UNION ALL
  SELECT array_to_tsvector(ARRAY[format('%%s users, sum %%s', count(*), sum(('x' || left(md5(id::text || coalesce(
    CASE WHEN fields IS NULL THEN nullif(metadata, 'null') ELSE coalesce(fields -> 'metadata_was', nullif(fields, '{}')) END::text,
    '')), 15))::bit(60)::bigint))])
  FROM known $$,
  CASE WHEN to_regclass('public.users') IS NULL THEN 'iso_agents' ELSE 'users' END))
ORDER BY 1
