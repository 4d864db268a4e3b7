-- What the steps need of the senders' table and do not find: columns by name and type.
SELECT wanted.name, wanted.type, format_type(a.atttypid, a.atttypmod) AS found
FROM (VALUES ('id', 'text'), ('tenant_id', 'text'), ('sendgrid_sender_id', 'text'), ('validation_status', 'text'), ('is_default', 'boolean'),
  ('created_at', 'timestamp without time zone'), ('updated_at', 'timestamp without time zone')) AS wanted (name, type)
LEFT JOIN pg_attribute AS a
  ON a.attrelid = to_regclass('dripiq_app.email_sender_identities') AND a.attname = wanted.name AND NOT a.attisdropped
WHERE format_type(a.atttypid, a.atttypmod) IS DISTINCT FROM wanted.type
