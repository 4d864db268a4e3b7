-- A database by its name. Since August 2023 (14.9, 15.4) one whose DROP was interrupted has the connection limit -2.
SELECT quote_ident(datname) AS database, datconnlimit = -2 AS invalid
FROM pg_database
WHERE datname = %(name)s::name
