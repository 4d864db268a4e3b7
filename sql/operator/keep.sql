-- Settings of our session, those that this version of the server knows: to set another one would be an error.
SELECT count(pg_catalog.set_config(s.name, kept.value, false))
FROM unnest(%(names)s::text[], %(values)s::text[]) AS kept (name, value)
JOIN pg_catalog.pg_settings AS s ON s.name = kept.name
