-- The guide's test with the rows that are there: a member of each of two workspaces, those with the most leads, as
-- PostgREST would ask. Each sees every lead of the own workspace and no row of another in any table. Without members
-- there is nobody to ask: step 006 has proven it with rows of its own. The role and the token's claims are set inside
-- this statement. ts_stat plans the text that it is given only when it runs, so as that role; and it is the one function
-- of every PostgreSQL that runs a text as a query (query_to_xml wants a server built with libxml).
WITH people AS MATERIALIZED (
  SELECT row_number() OVER (ORDER BY leads DESC, workspace_id) AS n, workspace_id, auth_user_id, leads
  FROM (
    SELECT DISTINCT ON (u.workspace_id) u.workspace_id, u.auth_user_id,
      (SELECT count(*) FROM public.leads AS l WHERE l.workspace_id = u.workspace_id) AS leads
    FROM public.users AS u
    ORDER BY u.workspace_id, u.created_at, u.id
  ) AS member
  ORDER BY leads DESC, workspace_id LIMIT 2
), asked (text) AS MATERIALIZED (
  SELECT $$
    SELECT array_to_tsvector(ARRAY[format('%s leads, %s rows of other workspaces', (SELECT count(*) FROM public.leads),
      (SELECT count(*) FROM public.leads WHERE workspace_id != public.get_user_workspace_id())
      + (SELECT count(*) FROM public.workspaces WHERE id <> public.get_user_workspace_id())
      + (SELECT count(*) FROM public.users WHERE workspace_id <> public.get_user_workspace_id())
      + (SELECT count(*) FROM public.queries WHERE workspace_id <> public.get_user_workspace_id())
      + (SELECT count(*) FROM public.saved_searches WHERE workspace_id <> public.get_user_workspace_id())
      + (SELECT count(*) FROM public.credit_usage WHERE workspace_id <> public.get_user_workspace_id())
      + (SELECT count(*) FROM public.export_jobs WHERE workspace_id <> public.get_user_workspace_id())
      + (SELECT count(*) FROM public.people_search_results WHERE workspace_id <> public.get_user_workspace_id())
      + (SELECT count(*) FROM public.saved_people_searches WHERE workspace_id <> public.get_user_workspace_id())
      + (SELECT count(*) FROM public.integrations WHERE workspace_id <> public.get_user_workspace_id())
      + (SELECT count(*) FROM public.billing_events WHERE workspace_id <> public.get_user_workspace_id())
      + (SELECT count(*) FROM public.notification_preferences WHERE workspace_id <> public.get_user_workspace_id())
      + (SELECT count(*) FROM public.stripe_customers WHERE workspace_id <> public.get_user_workspace_id()))]) $$
), first AS MATERIALIZED (
  SELECT leads, set_config('request.jwt.claims', json_build_object('sub', auth_user_id)::text, true) AS claims,
    set_config('role', 'authenticated', true) AS role
  FROM people WHERE n = 1
), first_sees AS MATERIALIZED (
  SELECT first.leads, answer.word AS rows
  FROM first, asked, LATERAL ts_stat(CASE WHEN first.role = 'authenticated' AND first.claims <> '' THEN asked.text END) AS answer
), second AS MATERIALIZED (
  SELECT people.leads, set_config('request.jwt.claims', json_build_object('sub', auth_user_id)::text, true) AS claims
  FROM first_sees, people WHERE n = 2
), second_sees AS MATERIALIZED (
  SELECT second.leads, answer.word AS rows
  FROM second, asked, LATERAL ts_stat(CASE WHEN second.claims <> '' THEN asked.text END) AS answer
), wrong AS MATERIALIZED (
  SELECT format('sees %s instead of %s leads', rows, leads) AS words
  FROM (TABLE first_sees UNION ALL TABLE second_sees) AS seen
  WHERE rows <> format('%s leads, 0 rows of other workspaces', leads)
)
SELECT coalesce(string_agg(words, '; '), 'each sees the own workspace only') AS members,
  set_config('role', 'none', true) AS role, set_config('request.jwt.claims', '', true) AS claims
FROM wrong
