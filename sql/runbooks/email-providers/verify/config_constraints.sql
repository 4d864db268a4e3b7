-- Without the schema, which the definition names or not by the search_path of whoever asks.
SELECT conname::text, replace(pg_get_constraintdef(oid), 'dripiq_app.', '') AS definition
FROM pg_constraint
WHERE conrelid IN ('dripiq_app.email_provider_configs'::regclass, 'dripiq_app.email_provider_tokens'::regclass) AND contype <> 'n'
ORDER BY conname
