-- Every table of the user's and the number of its last column: a later one was added since. Temporary ones do not count.
SELECT c.oid, c.relnatts
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep') AND c.relkind IN ('r', 'm', 'p')
ORDER BY 1
