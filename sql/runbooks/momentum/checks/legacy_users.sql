-- Legacy users at whom the guide's copy would fail, by what is wrong with them. A window counts who shares an email: a
-- subquery for each row would take minutes, for there is no index on it.
SELECT problem, count(*) AS users
FROM (
  SELECT CASE
      WHEN u.id IS NULL THEN 'not in auth.users: stays behind'
      WHEN btrim(coalesce(l.email, '')) = '' AND btrim(coalesce(u.email, '')) = '' THEN 'no email at all: stays behind'
      WHEN btrim(coalesce(l.email, '')) = '' THEN 'no email: gets that of the login'
      WHEN login.email IS NOT NULL AND u.email IS DISTINCT FROM l.email THEN 'email of somebody else''s login: gets that of the login'
      WHEN count(u.id) OVER (PARTITION BY l.email) > 1 THEN 'email used twice: the login decides'
    END AS problem
  FROM public.legacy_users AS l
  LEFT JOIN auth.users AS u ON u.id = l.id
  LEFT JOIN (SELECT DISTINCT email FROM auth.users) AS login ON login.email = l.email
) AS found
WHERE problem IS NOT NULL
GROUP BY problem
ORDER BY problem
