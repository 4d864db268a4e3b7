SELECT conrelid::regclass::text AS name, conname::text, pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE contype = 'f' AND confrelid = 'public.users'::regclass
ORDER BY 1
