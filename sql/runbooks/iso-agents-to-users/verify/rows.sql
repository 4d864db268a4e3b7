-- Rows of the six tables from before the night of the guide: how many, and one sum for each table over all columns, row by
-- row. Left out is what is compared elsewhere (owners.sql, metadata.sql), what is new, and what the application goes on
-- changing in old rows: time stamps, a request's status and remarks. Times are written in UTC, whatever zone the asking
-- session has. See roles.sql for ts_stat.
WITH zone AS MATERIALIZED (
  SELECT set_config('TimeZone', 'UTC', true) AS name
)
SELECT t.name, answer.word AS rows
FROM zone
CROSS JOIN (VALUES
  ('users', $$ - '{role,metadata,updated_at,avatar_url,phone,timezone,preferences,last_login_at}'::text[])::text
    || replace(role::text, 'iso_agent', 'sales_rep')$$),
  ('client_profiles', $$ - '{iso_agent_id,user_id,updated_at}'::text[])::text$$),
  ('requests', $$ - '{iso_agent_id,user_id,status,special_requirements,updated_at}'::text[])::text$$),
  ('quotes', $$ - 'updated_at')::text$$),
  ('workflow_states', $$)::text$$),
  ('agent_executions', $$)::text$$)
) AS t (name, kept)
CROSS JOIN LATERAL ts_stat(CASE WHEN zone.name = 'UTC' THEN format($$
  SELECT array_to_tsvector(ARRAY[format('%%s, sum %%s', count(*), sum(('x' || left(md5((to_jsonb(r) %s), 15))::bit(60)::bigint))])
  FROM public.%I AS r WHERE created_at < '2025-10-25' $$, t.kept,
  CASE WHEN t.name = 'users' AND to_regclass('public.users') IS NULL THEN 'iso_agents' ELSE t.name END) END) AS answer
ORDER BY t.name
