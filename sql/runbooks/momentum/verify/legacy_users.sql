-- Legacy users who are neither a profile nor named in legacy_left_behind, and profiles that differ from what they come
-- from. An email may be that of the login, where the old one is blank or somebody else's; nobody has one that
-- somebody else logs in with.
SELECT l.id, 'neither copied nor named' AS problem
FROM public.legacy_users AS l
WHERE NOT EXISTS (SELECT FROM public.profiles AS p WHERE p.id = l.id)
  AND NOT EXISTS (SELECT FROM public.legacy_left_behind AS b WHERE b.source = 'legacy_users' AND b.key = l.id::text)
UNION ALL
SELECT p.id, 'another name or date'
FROM public.profiles AS p
JOIN public.legacy_users AS l ON l.id = p.id
WHERE (p.name, p.created_at) IS DISTINCT FROM (l.display_name, l.created_at)
UNION ALL
SELECT p.id, 'another email'
FROM public.profiles AS p
JOIN public.legacy_users AS l ON l.id = p.id
JOIN auth.users AS u ON u.id = p.id
LEFT JOIN (SELECT DISTINCT email FROM auth.users) AS login ON login.email = l.email
WHERE p.email IS DISTINCT FROM l.email
  AND NOT (btrim(coalesce(l.email, '')) = '' AND btrim(coalesce(u.email, '')) = '')
  AND NOT (coalesce(p.email = u.email, false) AND (btrim(coalesce(l.email, '')) = '' OR login.email IS NOT NULL
    OR EXISTS (SELECT FROM public.profiles AS o WHERE o.email = l.email)))
UNION ALL
SELECT p.id, 'has the email that somebody else logs in with'
FROM public.profiles AS p
JOIN public.legacy_users AS l ON l.id = p.id
JOIN auth.users AS u ON u.id = p.id
JOIN (SELECT DISTINCT email FROM auth.users) AS login ON login.email = p.email
WHERE u.email IS DISTINCT FROM p.email
UNION ALL
SELECT b.key::uuid, 'named as left behind, but it could be copied'
FROM public.legacy_left_behind AS b
JOIN public.legacy_users AS l ON l.id::text = b.key
JOIN auth.users AS u ON u.id = l.id
LEFT JOIN (SELECT DISTINCT email FROM auth.users) AS login ON login.email = l.email
WHERE b.source = 'legacy_users' AND (
  (btrim(l.email) <> '' AND login.email IS NULL AND NOT EXISTS (SELECT FROM public.profiles AS p WHERE p.email = l.email))
  OR (btrim(u.email) <> '' AND NOT EXISTS (SELECT FROM public.profiles AS p WHERE p.email = u.email)))
