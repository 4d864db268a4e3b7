-- The guide's first query, for the tables that it makes: others may stand beside them.
SELECT table_name::text
FROM information_schema.tables
WHERE table_schema = 'public'
  AND table_name IN ('profiles', 'deliverables', 'organizations', 'organization_members', 'brand_settings', 'zoom_credentials')
ORDER BY table_name
