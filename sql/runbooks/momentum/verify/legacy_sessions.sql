-- Rendered sessions that are neither a deliverable nor named in legacy_left_behind, or that are both, or named without
-- need, and deliverables that differ from what they come from in any column.
SELECT s.session_id, 'neither copied nor named' AS problem
FROM public.legacy_sessions AS s
WHERE s.rendered_html IS NOT NULL
  AND NOT EXISTS (SELECT FROM public.deliverables AS d WHERE d.id = s.session_id)
  AND NOT EXISTS (SELECT FROM public.legacy_left_behind AS b WHERE b.source = 'legacy_sessions' AND b.key = s.session_id)
UNION ALL
SELECT b.key, 'named as left behind, and copied'
FROM public.legacy_left_behind AS b
JOIN public.deliverables AS d ON d.id = b.key
WHERE b.source = 'legacy_sessions'
UNION ALL
SELECT b.key, 'named as left behind, but it could be copied'
FROM public.legacy_left_behind AS b
JOIN public.legacy_sessions AS s ON s.session_id = b.key
WHERE b.source = 'legacy_sessions' AND s.rendered_html IS NOT NULL AND s.client_name IS NOT NULL
  AND EXISTS (SELECT FROM public.profiles AS p WHERE p.id = s.user_id)
UNION ALL
SELECT s.session_id, 'differs'
FROM public.legacy_sessions AS s
JOIN public.deliverables AS d ON d.id = s.session_id
WHERE (d.user_id, d.client_name, d.html, d.created_at) IS DISTINCT FROM (s.user_id, s.client_name, s.rendered_html, s.created_at)
