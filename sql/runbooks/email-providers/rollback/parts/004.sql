-- With it goes what linked the old application's senders.
DROP TRIGGER email_sender_identities_link_sendgrid ON dripiq_app.email_sender_identities;
DROP FUNCTION dripiq_app.link_sendgrid_sender();

-- The configurations that this migration made and nobody has touched since. One that got credentials, a token, another
-- name, or a sender without a number, which the next try would not know as SendGrid's, is somebody's work: it stays, with
-- its senders. The foreign key empties the links of the others; the trigger would stamp updated_at on each.
ALTER TABLE dripiq_app.email_sender_identities DISABLE TRIGGER update_email_sender_identities_updated_at;
WITH gone AS (
  DELETE FROM dripiq_app.email_provider_configs AS c
  WHERE c.type = 'sendgrid' AND c.config = '{"legacy": true}' AND c.version = 1 AND c.encrypted_credentials IS NULL
    AND NOT EXISTS (SELECT FROM dripiq_app.email_provider_tokens AS t WHERE t.config_id = c.id)
    AND NOT EXISTS (SELECT FROM dripiq_app.email_sender_identities AS s WHERE s.provider_config_id = c.id AND s.sendgrid_sender_id IS NULL)
  RETURNING c.id
)
DELETE FROM dripiq_app.email_provider_config_history AS h USING gone WHERE h.config_id = gone.id;
-- That they are removed has been told in a line of its own by now.
DELETE FROM dripiq_app.email_provider_config_history AS h
USING dripiq_app.email_provider_migration_log AS l
WHERE l.step = '004' AND l.config_id = h.config_id
  AND NOT EXISTS (SELECT FROM dripiq_app.email_provider_configs AS c WHERE c.id = h.config_id);
-- What PostgreSQL 14 checks at the end is checked now: a table with checks to come cannot be altered.
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE dripiq_app.email_sender_identities ENABLE TRIGGER update_email_sender_identities_updated_at;

DELETE FROM dripiq_app.email_provider_migration_log WHERE step = '004';
