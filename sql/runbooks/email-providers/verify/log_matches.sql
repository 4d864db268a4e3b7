-- Row for row: senders that the migration linked, whom nobody has changed since, and whose row without the two new columns
-- is not what it was before; or that are linked to something else than the log says.
-- The sums were taken in UTC: a time with a zone has another text elsewhere.
WITH utc AS MATERIALIZED (SELECT set_config('TimeZone', 'UTC', true) AS zone)
SELECT l.sender_id
FROM utc CROSS JOIN dripiq_app.email_provider_migration_log AS l
JOIN dripiq_app.email_sender_identities AS s ON s.id = l.sender_id
WHERE l.step = '004' AND l.action = 'linked'
  AND (s.updated_at <= l.done_at OR NOT isfinite(s.updated_at))
  AND (CASE WHEN utc.zone = 'UTC' THEN md5((to_jsonb(s) - '{provider_config_id,provider_validation_data}'::text[])::text) END IS DISTINCT FROM l.original_md5
    OR s.provider_config_id IS DISTINCT FROM l.config_id)
