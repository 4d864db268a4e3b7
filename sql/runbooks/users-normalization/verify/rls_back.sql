-- After going back (see rls_member.sql for how it is asked): somebody who is no admin sees own profile and tasks only.
WITH person AS MATERIALIZED (
  SELECT u.id FROM dev.users AS u
  WHERE u.role = 'user' AND EXISTS (SELECT FROM dev.tasks AS t WHERE t.user_id = u.id)
  ORDER BY u.created_at, u.id LIMIT 1
), due AS MATERIALIZED (
  SELECT format('1 profile, %s tasks', (SELECT count(*) FROM dev.tasks AS t WHERE t.user_id = person.id)) AS rows FROM person
), become AS MATERIALIZED (
  SELECT due.rows AS due, set_config('app.user_id', person.id, true) AS id, set_config('role', 'dev_member', true) AS role
  FROM person, due
), seen AS MATERIALIZED (
  SELECT become.due, answer.word AS rows
  FROM become, LATERAL ts_stat(CASE WHEN become.role = 'dev_member' AND become.id <> '' THEN $$
    SELECT array_to_tsvector(ARRAY[format('%s profile, %s tasks', (SELECT count(*) FROM dev.users), (SELECT count(*) FROM dev.tasks))]) $$
    END) AS answer
)
SELECT CASE WHEN rows = due THEN 'sees own rows only' ELSE format('sees %s instead of %s', rows, due) END AS member,
  set_config('role', 'none', true) AS role, set_config('app.user_id', '', true) AS id
FROM seen
