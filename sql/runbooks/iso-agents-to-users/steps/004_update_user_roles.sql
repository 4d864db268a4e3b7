-- 004: the enum user_role gets the roles sales_rep and customer; who was iso_agent is sales_rep.
BEGIN;

-- The wait comes first, when nothing is done yet and nothing else is held. All steps lock in the same order: views before
-- the tables under them, dependent tables before those they refer to. The application's statements lock so, too: their
-- own table first, iso_agents last, because row security's helpers and the foreign keys read it. So a step that has got
-- some of its tables never holds one that the holder of the next may still ask for, and there is no deadlock.
LOCK TABLE public.agent_directory, public.iso_agents IN ACCESS EXCLUSIVE MODE;

-- iso_agent stays a label, as the guide has it: the old application still signs people up with it until 005 takes the
-- table's old name away. 005 moves those on as well and then forbids the label.
CREATE TYPE public.user_role_new AS ENUM ('sales_rep', 'admin', 'customer', 'operator', 'iso_agent');

-- The guide forgets these: each one refers to the column or to the type and makes ALTER COLUMN TYPE or DROP TYPE fail.
DROP VIEW public.agent_directory;
DROP POLICY "Operators are listed to every agent" ON public.iso_agents;
DROP TRIGGER iso_agents_keep_one_admin ON public.iso_agents;
DROP INDEX public.idx_iso_agents_active_operators;
DROP FUNCTION public.set_iso_agent_role(uuid, public.user_role);
ALTER TABLE public.iso_agents ALTER COLUMN role DROP DEFAULT;

-- Rewrites the table and its indexes; row triggers do not fire, so updated_at stays. A customer whom an earlier way
-- back had parked as iso_agent is a customer again.
ALTER TABLE public.iso_agents ALTER COLUMN role TYPE public.user_role_new USING (
  CASE
    WHEN metadata #>> '{users_migration,role}' = 'customer' THEN 'customer'
    WHEN role::text = 'iso_agent' THEN 'sales_rep'
    ELSE role::text
  END::public.user_role_new
);

DROP TYPE public.user_role;
ALTER TYPE public.user_role_new RENAME TO user_role;
COMMENT ON TYPE public.user_role IS 'What a person may do; sales_rep is the default of a sign-up, iso_agent is retired';
ALTER TABLE public.iso_agents ALTER COLUMN role SET DEFAULT 'sales_rep';
COMMENT ON COLUMN public.iso_agents.role IS 'sales_rep, admin, customer or operator';

-- The rest of the parked customers' way back; the trigger would stamp updated_at.
ALTER TABLE public.iso_agents DISABLE TRIGGER update_iso_agents_updated_at;
UPDATE public.iso_agents
SET is_active = (metadata #>> '{users_migration,is_active}')::boolean, metadata = metadata - 'users_migration'
WHERE metadata #>> '{users_migration,role}' = 'customer';
ALTER TABLE public.iso_agents ENABLE TRIGGER update_iso_agents_updated_at;

CREATE INDEX idx_iso_agents_active_operators ON public.iso_agents (full_name) WHERE role = 'operator' AND is_active;
COMMENT ON INDEX public.idx_iso_agents_active_operators IS 'Feeds the list of operators';

CREATE TRIGGER iso_agents_keep_one_admin BEFORE UPDATE OF role, is_active ON public.iso_agents
  FOR EACH ROW WHEN (OLD.role = 'admin' AND OLD.is_active AND (NEW.role <> 'admin' OR NOT NEW.is_active))
  EXECUTE FUNCTION public.keep_one_admin();
COMMENT ON TRIGGER iso_agents_keep_one_admin ON public.iso_agents IS 'Nobody locks everybody out';

CREATE POLICY "Operators are listed to every agent" ON public.iso_agents
  FOR SELECT TO authenticated USING (role = 'operator' AND is_active AND public.get_current_iso_agent_id() IS NOT NULL);
COMMENT ON POLICY "Operators are listed to every agent" ON public.iso_agents IS 'Agents pick an operator from the list';

-- Everybody in the table used to work here; customers do not, and must not be listed to everybody who is logged in.
CREATE VIEW public.agent_directory AS
  SELECT id, member_no, full_name, company, email, role
  FROM public.iso_agents
  WHERE is_active AND role <> 'customer';
GRANT SELECT ON public.agent_directory TO authenticated;
GRANT SELECT ON public.agent_directory TO service_role;
COMMENT ON VIEW public.agent_directory IS 'Who works here';
COMMENT ON COLUMN public.agent_directory.role IS 'For the badge beside the name';

CREATE FUNCTION public.set_iso_agent_role(agent_id uuid, new_role public.user_role) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  AS $$
BEGIN
  IF NOT is_admin() THEN
    RAISE EXCEPTION 'only an admin changes roles' USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE iso_agents SET role = new_role WHERE id = agent_id;
END;
$$;
REVOKE ALL ON FUNCTION public.set_iso_agent_role(uuid, public.user_role) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.set_iso_agent_role(uuid, public.user_role) TO authenticated;
COMMENT ON FUNCTION public.set_iso_agent_role(uuid, public.user_role) IS 'Called by the admin screen';

-- A rewritten column has no statistics; without them the planner guesses until autovacuum comes by.
ANALYZE public.iso_agents;

COMMIT;
