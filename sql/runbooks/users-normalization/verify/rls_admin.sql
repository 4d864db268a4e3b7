-- An admin (see rls_member.sql for how it is asked) sees every profile and task, and nobody else's integrations.
WITH person AS MATERIALIZED (
  SELECT u.id FROM dev.users AS u WHERE u.role = 'admin' ORDER BY u.created_at, u.id LIMIT 1
), due AS MATERIALIZED (
  SELECT format('%s profiles, %s integrations, %s tasks', (SELECT count(*) FROM dev.users),
    (SELECT count(*) FROM dev.user_integrations AS ui WHERE ui.user_id = person.id), (SELECT count(*) FROM dev.tasks)) AS rows
  FROM person
), become AS MATERIALIZED (
  SELECT due.rows AS due, set_config('app.user_id', person.id, true) AS id, set_config('role', 'dev_member', true) AS role
  FROM person, due
), seen AS MATERIALIZED (
  SELECT become.due, answer.word AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'dev_member' AND become.id <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[format('%s profiles, %s integrations, %s tasks', (SELECT count(*) FROM dev.users),
      (SELECT count(*) FROM dev.user_integrations), (SELECT count(*) FROM dev.tasks))]) $$ END) AS answer
)
SELECT CASE WHEN rows = due THEN 'sees every profile' ELSE format('sees %s instead of %s', rows, due) END AS admin,
  set_config('role', 'none', true) AS role, set_config('app.user_id', '', true) AS id
FROM seen
