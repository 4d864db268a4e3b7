-- Whatever still bears the old name or speaks of it: relations, columns, constraints, triggers, statistics, policies and
-- function bodies.
SELECT 'relation' AS kind, relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname ~ 'iso_agent'
UNION ALL
SELECT 'column', attrelid::regclass || '.' || attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND NOT a.attisdropped AND attname ~ 'iso_agent'
UNION ALL
SELECT 'constraint', conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conname ~ 'iso_agent'
UNION ALL
SELECT 'trigger', tgname FROM pg_trigger WHERE tgname ~ 'iso_agent'
UNION ALL
SELECT 'statistics', stxname FROM pg_statistic_ext WHERE stxnamespace = 'public'::regnamespace AND stxname ~ 'iso_agent'
UNION ALL
SELECT 'policy', polname || ' on ' || polrelid::regclass FROM pg_policy WHERE polname ~ 'iso_agent'
UNION ALL
SELECT 'function', proname FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND (proname ~ 'iso_agent' OR prosrc ~ 'iso_agent')
