SELECT conrelid::regclass || ' ' || conname AS constraint
FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('f', 'c') AND NOT convalidated
