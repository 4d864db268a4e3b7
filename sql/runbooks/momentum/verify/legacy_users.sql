-- Legacy users who are neither a profile nor named in legacy_left_behind, and profiles that differ from what they come
-- from. An email may be that of the login, where the old one is blank or somebody else's.
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
WHERE p.email IS DISTINCT FROM l.email
  AND NOT (p.email = u.email AND (btrim(coalesce(l.email, '')) = '' OR EXISTS (SELECT FROM public.profiles AS o WHERE o.email = l.email)))
UNION ALL
SELECT b.key::uuid, 'named as left behind, but it could be copied'
FROM public.legacy_left_behind AS b
JOIN public.legacy_users AS l ON l.id::text = b.key
JOIN auth.users AS u ON u.id = l.id
WHERE b.source = 'legacy_users' AND btrim(l.email) <> '' AND NOT EXISTS (SELECT FROM public.profiles AS p WHERE p.email = l.email)
