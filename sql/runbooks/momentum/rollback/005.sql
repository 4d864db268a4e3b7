-- Takes 005 back.
BEGIN;

\ir delete_copied_deliverables.sql

COMMIT;
