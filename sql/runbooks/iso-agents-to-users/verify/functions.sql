-- The guide's query without its two mistakes: OR binds weaker than AND, so it looked into every schema; and no helper
-- that checks a role has "user" in its name, so is_sales_rep and is_customer, which it expects, could not appear.
SELECT routine_name::text
FROM information_schema.routines
WHERE routine_schema = 'public'
  AND (routine_name LIKE '%user%' OR routine_name LIKE '%iso\_agent%' OR routine_name LIKE 'is\_%')
ORDER BY 1
