-- An admin, a member and a stranger of the oldest organization that has the first two (see rls_stranger.sql for how it is
-- asked): who sees it, how many of its members, and who manages it. Each turn begins when the one before it has its answer.
WITH chosen AS MATERIALIZED (
  SELECT o.id,
    (SELECT user_id FROM public.organization_members WHERE organization_id = o.id AND role IN ('owner', 'admin') ORDER BY id LIMIT 1) AS admin,
    (SELECT user_id FROM public.organization_members WHERE organization_id = o.id AND role IN ('member', 'viewer') ORDER BY id LIMIT 1) AS member,
    (SELECT p.id FROM public.profiles AS p WHERE NOT EXISTS (
       SELECT FROM public.organization_members AS m WHERE m.user_id = p.id AND m.organization_id = o.id) ORDER BY p.id LIMIT 1) AS stranger,
    (SELECT count(*) FROM public.organization_members WHERE organization_id = o.id) AS people
  FROM public.organizations AS o
  WHERE EXISTS (SELECT FROM public.organization_members WHERE organization_id = o.id AND role IN ('owner', 'admin'))
    AND EXISTS (SELECT FROM public.organization_members WHERE organization_id = o.id AND role IN ('member', 'viewer'))
  ORDER BY o.created_at, o.id LIMIT 1
), question AS MATERIALIZED (
  SELECT *, format($$SELECT array_to_tsvector(ARRAY[format('%%s/%%s/%%s',
    (SELECT count(*) FROM public.organizations WHERE id = %1$L),
    (SELECT count(*) FROM public.organization_members WHERE organization_id = %1$L),
    (SELECT count(*) FROM public.my_managed_organizations() AS m WHERE m = %1$L))])$$, id) AS text,
    set_config('role', 'authenticated', true) AS role
  FROM chosen
), as_admin AS MATERIALIZED (
  SELECT q.*, answer.word AS admin_sees
  FROM question AS q,
    LATERAL (SELECT set_config('request.jwt.claims', json_build_object('sub', q.admin)::text, q.role = 'authenticated') AS claims OFFSET 0) AS become,
    LATERAL ts_stat(CASE WHEN become.claims <> '' THEN q.text END) AS answer
), as_member AS MATERIALIZED (
  SELECT q.*, answer.word AS member_sees
  FROM as_admin AS q,
    LATERAL (SELECT set_config('request.jwt.claims', json_build_object('sub', q.member)::text, q.admin_sees <> '') AS claims OFFSET 0) AS become,
    LATERAL ts_stat(CASE WHEN become.claims <> '' THEN q.text END) AS answer
), as_stranger AS MATERIALIZED (
  SELECT q.*, answer.word AS stranger_sees
  FROM as_member AS q,
    LATERAL (SELECT set_config('request.jwt.claims', json_build_object('sub', q.stranger)::text, q.member_sees <> '') AS claims OFFSET 0) AS become,
    LATERAL ts_stat(CASE WHEN become.claims <> '' THEN q.text END) AS answer
)
SELECT CASE
    WHEN admin_sees = format('1/%s/1', people) AND member_sees = format('1/%s/0', people) AND stranger_sees = '0/0/0'
      THEN 'each sees what they should'
    ELSE format('admin %s, member %s, stranger %s, of 1/%s', admin_sees, member_sees, stranger_sees, people)
  END AS organization,
  set_config('role', 'none', true) AS role, set_config('request.jwt.claims', '', true) AS claims
FROM as_stranger
