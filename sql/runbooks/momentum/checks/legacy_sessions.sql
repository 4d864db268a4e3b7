-- Rendered sessions that cannot become deliverables, by what is wrong with them.
SELECT problem, count(*) AS sessions
FROM (
  SELECT CASE
      WHEN s.user_id IS NULL THEN 'no user'
      WHEN u.id IS NULL THEN 'its user is not in auth.users'
      WHEN l.id IS NULL THEN 'its user is not in legacy_users'
      WHEN s.client_name IS NULL THEN 'no client name'
    END AS problem
  FROM public.legacy_sessions AS s
  LEFT JOIN auth.users AS u ON u.id = s.user_id
  LEFT JOIN public.legacy_users AS l ON l.id = s.user_id
  WHERE s.rendered_html IS NOT NULL
) AS found
WHERE problem IS NOT NULL
GROUP BY problem
ORDER BY problem
