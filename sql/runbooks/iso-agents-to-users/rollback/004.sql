-- Takes 004 back: the enum user_role has its three old labels.
BEGIN;

-- The same order as in every step (see steps/004).
LOCK TABLE public.agent_directory, public.iso_agents IN ACCESS EXCLUSIVE MODE;

\ir parts/004.sql

COMMIT;
