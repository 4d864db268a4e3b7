-- The backend (see rls_member.sql for how it is asked) sees everything in the new tables and nothing in the old one, of
-- which it still has the grants.
WITH due AS MATERIALIZED (
  SELECT format('%s users, %s integrations, 0 old', (SELECT count(*) FROM dev.users), (SELECT count(*) FROM dev.user_integrations)) AS rows
), become AS MATERIALIZED (
  SELECT due.rows AS due, set_config('role', 'dev_backend', true) AS role FROM due
), seen AS MATERIALIZED (
  SELECT become.due, answer.word AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'dev_backend' THEN $$
    SELECT array_to_tsvector(ARRAY[format('%s users, %s integrations, %s old', (SELECT count(*) FROM dev.users),
      (SELECT count(*) FROM dev.user_integrations), (SELECT count(*) FROM dev.users_old))]) $$ END) AS answer
)
SELECT CASE WHEN rows = due THEN 'sees every new row and no old one' ELSE format('sees %s instead of %s', rows, due) END AS backend,
  set_config('role', 'none', true) AS role
FROM seen
