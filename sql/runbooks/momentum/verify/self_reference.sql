-- A policy that reads its own table calls itself without end; so does a circle of two.
SELECT p.polrelid::regclass::text AS name, p.polname::text
FROM pg_policy AS p
JOIN pg_depend AS d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class AS c ON c.oid = d.refobjid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND d.refobjid <> p.polrelid
  AND EXISTS (SELECT FROM pg_policy AS o JOIN pg_depend AS b ON b.classid = 'pg_policy'::regclass AND b.objid = o.oid
              WHERE o.polrelid = d.refobjid AND b.refclassid = 'pg_class'::regclass AND b.refobjid = p.polrelid)
UNION
-- A policy depends on its own table anyway; only the expression tells whether it reads it.
SELECT polrelid::regclass::text, polname::text
FROM pg_policy
WHERE coalesce(pg_get_expr(polqual, polrelid), '') || coalesce(pg_get_expr(polwithcheck, polrelid), '')
  ~ ('FROM (public\.)?' || (SELECT relname FROM pg_class WHERE oid = polrelid) || '\M')
ORDER BY 1, 2
