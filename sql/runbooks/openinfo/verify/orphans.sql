-- Rows without what they refer to. The keys forbid it as long as they are valid and nobody has switched them off
-- (session_replication_role, DISABLE TRIGGER ALL), as a restore or a copy does.
SELECT 'users without an account' AS what, count(*) AS rows FROM public.users AS u
WHERE NOT EXISTS (SELECT FROM auth.users AS a WHERE a.id = u.auth_user_id) HAVING count(*) > 0
UNION ALL
SELECT 'users without a workspace', count(*) FROM public.users AS u
WHERE NOT EXISTS (SELECT FROM public.workspaces AS w WHERE w.id = u.workspace_id) HAVING count(*) > 0
UNION ALL
SELECT 'queries without a topic', count(*) FROM public.queries AS q
WHERE NOT EXISTS (SELECT FROM public.global_topics AS t WHERE t.id = q.topic_id) HAVING count(*) > 0
UNION ALL
SELECT 'leads without a query of their workspace', count(*) FROM public.leads AS l
WHERE NOT EXISTS (SELECT FROM public.queries AS q WHERE (q.id, q.workspace_id) = (l.query_id, l.workspace_id)) HAVING count(*) > 0
UNION ALL
SELECT 'credit usage without a user of its workspace', count(*) FROM public.credit_usage AS c
WHERE NOT EXISTS (SELECT FROM public.users AS u WHERE (u.id, u.workspace_id) = (c.user_id, c.workspace_id)) HAVING count(*) > 0
UNION ALL
SELECT 'exports without a user of their workspace', count(*) FROM public.export_jobs AS e
WHERE NOT EXISTS (SELECT FROM public.users AS u WHERE (u.id, u.workspace_id) = (e.user_id, e.workspace_id)) HAVING count(*) > 0
UNION ALL
SELECT 'people found without a user of their workspace', count(*) FROM public.people_search_results AS p
WHERE NOT EXISTS (SELECT FROM public.users AS u WHERE (u.id, u.workspace_id) = (p.user_id, p.workspace_id)) HAVING count(*) > 0
