-- Both keys of the senders. PostgreSQL 14 cannot empty one column of two; there the second key checks at the end.
SELECT conname::text,
  replace(replace(pg_get_constraintdef(oid), 'dripiq_app.', ''), 'DEFERRABLE INITIALLY DEFERRED', 'ON DELETE SET NULL (provider_config_id)')
    AS definition, convalidated
FROM pg_constraint
WHERE conrelid = 'dripiq_app.email_sender_identities'::regclass AND confrelid = 'dripiq_app.email_provider_configs'::regclass
ORDER BY conname
