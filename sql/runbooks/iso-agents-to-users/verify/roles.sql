-- How many have each role, iso_agent counted as sales_rep, so that the same question can be asked before and after; the
-- table's name is only known when it is asked. Rows from before the night of the guide: sign-ups go on.
SELECT btrim(regexp_replace(query_to_xml(format($$
  SELECT string_agg(role || ' ' || n, ', ' ORDER BY role)
  FROM (
    SELECT replace(role::text, 'iso_agent', 'sales_rep') AS role, count(*) AS n
    FROM public.%I WHERE created_at < '2025-10-25' GROUP BY 1
  ) AS roles $$, CASE WHEN to_regclass('public.users') IS NULL THEN 'iso_agents' ELSE 'users' END),
  false, true, '')::text, '<[^>]*>', '', 'g'), E' \n') AS roles
