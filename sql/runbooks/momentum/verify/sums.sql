-- Count, bytes and one sum over every value, of the sessions that were to be copied and of their deliverables.
SELECT old = new AS same, old, new
FROM (
  SELECT format('%s rows, %s bytes, sum %s', count(*), sum(octet_length(rendered_html)),
    sum(('x' || left(md5(concat_ws('|', session_id, user_id, client_name, rendered_html, extract(epoch FROM created_at))), 15))::bit(60)::bigint)) AS old
  FROM public.legacy_sessions AS s
  WHERE rendered_html IS NOT NULL
    AND NOT EXISTS (SELECT FROM public.legacy_left_behind AS b WHERE b.source = 'legacy_sessions' AND b.key = s.session_id)
) AS was, (
  SELECT format('%s rows, %s bytes, sum %s', count(*), sum(octet_length(html)),
    sum(('x' || left(md5(concat_ws('|', id, user_id, client_name, html, extract(epoch FROM created_at))), 15))::bit(60)::bigint)) AS new
  FROM public.deliverables AS d
  WHERE EXISTS (SELECT FROM public.legacy_sessions AS s WHERE s.session_id = d.id)
) AS is_now
