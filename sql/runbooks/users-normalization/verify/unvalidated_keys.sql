SELECT conrelid::regclass || ' ' || conname AS constraint
FROM pg_constraint
WHERE connamespace = 'dev'::regnamespace AND contype IN ('f', 'c') AND NOT convalidated
