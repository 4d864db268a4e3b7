-- What was there before and what nobody but us could have touched: a count and a sum over the columns that logins and the old
-- application do not write, of rows from before 2025-11-01, because they go on making new ones.
SELECT 'auth.users' AS name, count(*), sum(('x' || left(md5(concat_ws('|', id, email, phone, created_at, raw_user_meta_data)), 15))::bit(60)::bigint) AS sum
FROM auth.users WHERE created_at < '2025-11-01' OR created_at IS NULL
UNION ALL
SELECT 'legacy_sessions', count(*), sum(('x' || left(md5(concat_ws('|', session_id, user_id, prompt, created_at)), 15))::bit(60)::bigint)
FROM public.legacy_sessions WHERE created_at < '2025-11-01' OR created_at IS NULL
UNION ALL
SELECT 'legacy_users', count(*), sum(('x' || left(md5(concat_ws('|', id, email, display_name, company, created_at)), 15))::bit(60)::bigint)
FROM public.legacy_users WHERE created_at < '2025-11-01' OR created_at IS NULL
UNION ALL
SELECT 'storage.buckets', count(*), sum(('x' || left(md5(concat_ws('|', id, name, public, created_at)), 15))::bit(60)::bigint)
FROM storage.buckets WHERE id NOT IN ('logos', 'private')
UNION ALL
SELECT 'storage.objects', count(*), sum(('x' || left(md5(concat_ws('|', id, bucket_id, name, owner, metadata, created_at)), 15))::bit(60)::bigint)
FROM storage.objects WHERE (created_at < '2025-11-01' OR created_at IS NULL) AND bucket_id IS DISTINCT FROM 'logos' AND bucket_id IS DISTINCT FROM 'private'
ORDER BY 1
