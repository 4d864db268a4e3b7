-- 008: back from users to iso_agents, all of 004 to 007 in one transaction.
-- The parts are those of 007.sql to 004.sql, under one lock at the start.
BEGIN;

-- One wait, before anything is done; the same order as in every step (see steps/004).
LOCK TABLE public.agent_executions, public.workflow_states, public.quotes, public.request_summary, public.requests,
  public.client_profiles, public.agent_directory, public.users IN ACCESS EXCLUSIVE MODE;

\ir parts/007.sql
\ir parts/006.sql
\ir parts/005.sql
\ir parts/004.sql

COMMIT;
