-- Senders made since 004 that belong to a configuration. Whatever is younger than the trigger of 004 came after it.
SELECT count(*)
FROM dripiq_app.email_sender_identities AS s
WHERE s.provider_config_id IS NOT NULL AND s.created_at > (now() AT TIME ZONE 'UTC') - interval '1 day'
  AND age(s.xmin) < (SELECT age(t.xmin) FROM pg_trigger AS t WHERE t.tgname = 'email_sender_identities_link_sendgrid')
