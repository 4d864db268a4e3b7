-- The guide's third query, for its own tables, with what it is about: are they as they should be and usable.
SELECT t.relname::text AS table, i.relname::text AS name,
  regexp_replace(pg_get_indexdef(i.oid), '^.* USING ', '') || CASE WHEN x.indisunique THEN ' unique' ELSE '' END AS definition,
  x.indisvalid AND x.indisready AND x.indislive AS usable
FROM pg_index AS x
JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_class AS t ON t.oid = x.indrelid
WHERE t.oid IN (to_regclass('public.profiles'), to_regclass('public.deliverables'), to_regclass('public.organizations'),
  to_regclass('public.organization_members'), to_regclass('public.brand_settings'), to_regclass('public.zoom_credentials'))
ORDER BY t.relname, i.relname
