-- Extensions by which functions and foreign tables reach beyond the database without a user mapping.
SELECT extname FROM pg_catalog.pg_extension WHERE extname IN ('dblink', 'file_fdw') ORDER BY extname
