-- Takes 005 back: users is iso_agents again, and the columns' values are in metadata again.
BEGIN;

-- The same order as in every step (see steps/004).
LOCK TABLE public.users IN ACCESS EXCLUSIVE MODE;

\ir parts/005.sql

COMMIT;
