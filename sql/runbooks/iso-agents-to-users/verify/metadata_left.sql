-- Values that a column could have taken and that are still in metadata, or originals whose column is empty.
SELECT count(*)
FROM public.users AS u
WHERE jsonb_typeof(u.metadata) = 'object'
  AND u.created_at < '2025-10-25'
  AND (
    (jsonb_typeof(u.metadata -> 'avatar_url') = 'string' AND btrim(u.metadata ->> 'avatar_url') <> '')
    OR (jsonb_typeof(u.metadata -> 'phone') IN ('string', 'number') AND btrim(u.metadata ->> 'phone') <> '')
    OR jsonb_typeof(u.metadata -> 'preferences') = 'object'
    OR (u.metadata #> '{moved_to_columns,last_login_at}' IS NOT NULL AND u.last_login_at IS NULL)
  )
