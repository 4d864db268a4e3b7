-- Client profiles without an agent or user. It may be asked at any time of the night, when the table and the column have
-- the old name or the new one, so the query is put together when it is asked; ts_stat runs a text as a query.
SELECT word AS orphans
FROM ts_stat(format(
  'SELECT array_to_tsvector(ARRAY[count(*)::text]) FROM public.client_profiles AS c
   WHERE NOT EXISTS (SELECT FROM public.%I AS u WHERE u.id = c.%I)',
  CASE WHEN to_regclass('public.users') IS NULL THEN 'iso_agents' ELSE 'users' END,
  (SELECT attname FROM pg_attribute
   WHERE attrelid = 'public.client_profiles'::regclass AND attname IN ('iso_agent_id', 'user_id') AND NOT attisdropped)))
