-- The guide's query joins by constraint name alone, which two tables may share, and shows only tables that the asking
-- role owns: the key to auth.users is missing in Supabase, where that belongs to somebody else.
SELECT conrelid::regclass::text AS name, conname::text, pg_get_constraintdef(oid) AS definition, convalidated
FROM pg_constraint
WHERE contype = 'f' AND conrelid IN (to_regclass('public.profiles'), to_regclass('public.deliverables'),
  to_regclass('public.organization_members'), to_regclass('public.brand_settings'), to_regclass('public.zoom_credentials'))
ORDER BY 1, 2
