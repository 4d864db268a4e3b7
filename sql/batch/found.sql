-- Is the temporary table there, and is it the one that a statement means by its name alone?
SELECT to_regclass('pg_temp.batch') IS NOT NULL, to_regclass('batch') = to_regclass('pg_temp.batch')
