-- Takes 007 back: policies and helper functions as 006 left them.
BEGIN;

-- The same order as in every step (see steps/004).
LOCK TABLE public.agent_executions, public.workflow_states, public.quotes, public.requests, public.client_profiles,
  public.users IN ACCESS EXCLUSIVE MODE;

\ir parts/007.sql

COMMIT;
