-- Takes 006 back: user_id is iso_agent_id again.
BEGIN;

-- The same order as in every step (see steps/004).
LOCK TABLE public.request_summary, public.requests, public.client_profiles IN ACCESS EXCLUSIVE MODE;

\ir parts/006.sql

COMMIT;
