-- Every sender from before the night of which the application changes nothing but signature and time stamp: how many, and
-- one sum over all other columns that were there before, whatever their names.
SELECT count(*) AS senders,
  sum(('x' || left(md5((to_jsonb(s) - '{provider_config_id,provider_validation_data,email_signature,updated_at}'::text[])::text), 15))::bit(60)::bigint)::text AS sum
FROM dripiq_app.email_sender_identities AS s
WHERE created_at < '2025-10-01'
