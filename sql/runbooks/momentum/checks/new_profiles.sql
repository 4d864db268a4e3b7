-- Profiles that the new application has made since 004: none of the old system's.
SELECT count(*)
FROM public.profiles AS p
WHERE p.created_at > now() - interval '1 day'
  AND NOT EXISTS (SELECT FROM public.legacy_users AS l WHERE l.id = p.id)
