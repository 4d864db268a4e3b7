-- Included by 004 and 005. The copies, as long as they are what the old system has: a deliverable that the new
-- application made or changed is not in it and stays until 001 puts it aside.
DELETE FROM public.deliverables AS d
USING public.legacy_sessions AS s
WHERE s.session_id = d.id
  AND (d.user_id, d.client_name, d.html, d.created_at) IS NOT DISTINCT FROM (s.user_id, s.client_name, s.rendered_html, s.created_at);
