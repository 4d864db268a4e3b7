-- Somebody whom the users table does not know (see rls_member.sql for how it is asked) sees nothing.
WITH become AS MATERIALIZED (
  SELECT set_config('app.user_id', 'user_nobody', true) AS id, set_config('role', 'dev_member', true) AS role
), seen AS MATERIALIZED (
  SELECT answer.word::bigint AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'dev_member' AND become.id <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[(
      (SELECT count(*) FROM dev.users) + (SELECT count(*) FROM dev.user_integrations) + (SELECT count(*) FROM dev.tasks)
      + (SELECT count(*) FROM dev.emails) + (SELECT count(*) FROM dev.digests) + (SELECT count(*) FROM dev.preferences))::text]) $$ END) AS answer
)
SELECT rows, set_config('role', 'none', true) AS role, set_config('app.user_id', '', true) AS id
FROM seen
