-- Somebody who is logged in and no admin, as the web application asks: own profile, integrations and tasks. The role and
-- app.user_id are set inside this statement and set back. ts_stat plans the text it is given only when it runs, so it is
-- planned as that role; and it is the one function of every PostgreSQL that runs a text as a query.
WITH person AS MATERIALIZED (
  SELECT u.id FROM dev.users AS u
  WHERE u.role = 'user' AND EXISTS (SELECT FROM dev.user_integrations AS ui WHERE ui.user_id = u.id)
    AND EXISTS (SELECT FROM dev.tasks AS t WHERE t.user_id = u.id)
  ORDER BY u.created_at, u.id LIMIT 1
), due AS MATERIALIZED (
  SELECT format('1 profile, %s integrations, %s tasks',
    (SELECT count(*) FROM dev.user_integrations AS ui WHERE ui.user_id = person.id),
    (SELECT count(*) FROM dev.tasks AS t WHERE t.user_id = person.id)) AS rows
  FROM person
), become AS MATERIALIZED (
  SELECT due.rows AS due, set_config('app.user_id', person.id, true) AS id, set_config('role', 'dev_member', true) AS role
  FROM person, due
), seen AS MATERIALIZED (
  SELECT become.due, answer.word AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'dev_member' AND become.id <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[format('%s profile, %s integrations, %s tasks', (SELECT count(*) FROM dev.users),
      (SELECT count(*) FROM dev.user_integrations), (SELECT count(*) FROM dev.tasks))]) $$ END) AS answer
)
SELECT CASE WHEN rows = due THEN 'sees own rows only' ELSE format('sees %s instead of %s', rows, due) END AS member,
  set_config('role', 'none', true) AS role, set_config('app.user_id', '', true) AS id
FROM seen
