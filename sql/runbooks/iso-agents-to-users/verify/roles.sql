-- How many have each role, iso_agent counted as sales_rep, so that the same question can be asked before and after.
-- ts_stat runs a text as a query, because the table's name is only known when it is asked. Rows from before the night of
-- the guide: sign-ups go on.
SELECT word AS role_and_users
FROM ts_stat(format($$
  SELECT array_to_tsvector(ARRAY[format('%%s: %%s', replace(role::text, 'iso_agent', 'sales_rep'), count(*))])
  FROM public.%I WHERE created_at < '2025-10-25'
  GROUP BY replace(role::text, 'iso_agent', 'sales_rep') $$,
  CASE WHEN to_regclass('public.users') IS NULL THEN 'iso_agents' ELSE 'users' END))
ORDER BY 1
