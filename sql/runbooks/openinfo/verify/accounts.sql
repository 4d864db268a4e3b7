-- Supabase's own tables are only referred to: their rows from before the guide's date, by count and checksum. Left out is
-- what signing in changes, and passwords. Rows that were imported may have no date.
SELECT 'auth.users' AS name, count(*) AS rows,
  sum(hashtextextended(concat_ws('|', id, coalesce(email, '~'), coalesce(phone, '~'), is_sso_user,
    extract(epoch FROM created_at)), 0)) AS checksum
FROM auth.users WHERE coalesce(created_at, '-infinity') < '2026-01-22 00:00:00+00'
UNION ALL
SELECT 'auth.identities', count(*), sum(hashtextextended(concat_ws('|', id, user_id, provider, provider_id), 0))
FROM auth.identities WHERE coalesce(created_at, '-infinity') < '2026-01-22 00:00:00+00'
UNION ALL
SELECT 'storage.buckets', count(*), sum(hashtextextended(concat_ws('|', id, name, public), 0)) FROM storage.buckets
UNION ALL
SELECT 'storage.objects', count(*), sum(hashtextextended(concat_ws('|', id, bucket_id, name, owner), 0))
FROM storage.objects WHERE coalesce(created_at, '-infinity') < '2026-01-22 00:00:00+00'
ORDER BY 1
