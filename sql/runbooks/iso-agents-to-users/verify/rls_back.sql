-- After going back: an agent sees the own clients and not those of another (see rls_member.sql for how it is asked).
-- Only two agents' clients are looked at: the old policies call a function for every row.
WITH person AS MATERIALIZED (
  SELECT a.id, a.clerk_user_id
  FROM public.iso_agents AS a
  WHERE a.role = 'iso_agent' AND a.is_active AND EXISTS (SELECT FROM public.client_profiles AS c WHERE c.iso_agent_id = a.id)
  ORDER BY a.created_at, a.id LIMIT 1
), other AS MATERIALIZED (
  SELECT c.iso_agent_id AS id FROM public.client_profiles AS c, person WHERE c.iso_agent_id <> person.id LIMIT 1
), due AS MATERIALIZED (
  SELECT count(*) AS clients FROM public.client_profiles AS c, person WHERE c.iso_agent_id = person.id
), asked AS MATERIALIZED (
  SELECT set_config('request.jwt.claims', json_build_object('sub', clerk_user_id, 'role', 'authenticated')::text, true),
    set_config('role', 'authenticated', true),
    query_to_xml(format('SELECT count(*) AS clients FROM public.client_profiles WHERE iso_agent_id IN (%L, %L)',
      person.id, other.id), false, true, '')::text AS answer,
    set_config('role', 'none', true), set_config('request.jwt.claims', '', true)
  FROM person, other
)
SELECT CASE
    WHEN substring(answer FROM '<clients>(\d+)<')::bigint = due.clients THEN 'sees own rows only'
    ELSE format('should see %s clients, but: %s', due.clients, regexp_replace(answer, '\s+', ' ', 'g'))
  END AS iso_agent
FROM due, asked
