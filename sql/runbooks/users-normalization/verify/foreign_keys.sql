-- By the catalog: information_schema joins by the constraint's name, which is not unique, and hides what one does not own.
SELECT conrelid::regclass::text AS name, conname::text, replace(pg_get_constraintdef(oid), ' NOT VALID', '') AS definition
FROM pg_constraint
WHERE contype = 'f' AND confrelid = 'dev.users'::regclass
ORDER BY 1, 2
