-- Rows whose user or service is not there, asked row by row: a foreign key speaks only for what was written while it was valid.
SELECT
  (SELECT count(*) FROM dev.user_integrations AS r WHERE NOT EXISTS (SELECT FROM dev.users AS u WHERE u.id = r.user_id))
  + (SELECT count(*) FROM dev.user_integrations AS r WHERE NOT EXISTS (SELECT FROM dev.services AS s WHERE s.id = r.service_id))
  + (SELECT count(*) FROM dev.tasks AS r WHERE NOT EXISTS (SELECT FROM dev.users AS u WHERE u.id = r.user_id))
  + (SELECT count(*) FROM dev.emails AS r WHERE NOT EXISTS (SELECT FROM dev.users AS u WHERE u.id = r.user_id))
  + (SELECT count(*) FROM dev.digests AS r WHERE NOT EXISTS (SELECT FROM dev.users AS u WHERE u.id = r.user_id))
  + (SELECT count(*) FROM dev.preferences AS r WHERE NOT EXISTS (SELECT FROM dev.users AS u WHERE u.id = r.user_id))
  + (SELECT count(*) FROM dev.user_logs AS r WHERE r.user_id IS NOT NULL AND NOT EXISTS (SELECT FROM dev.users AS u WHERE u.id = r.user_id))
  AS orphans
