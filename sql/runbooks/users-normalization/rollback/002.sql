-- Takes 002 back: no helper functions.
BEGIN;

\ir parts/002.sql

COMMIT;
