DROP VIEW public.agent_directory;
DROP POLICY "Operators are listed to every agent" ON public.iso_agents;
DROP TRIGGER iso_agents_keep_one_admin ON public.iso_agents;
DROP INDEX public.idx_iso_agents_active_operators;
DROP FUNCTION public.set_iso_agent_role(uuid, public.user_role);

-- The old roles have no customer. A customer is kept, with all rows, but locked: as an active iso_agent they would see
-- and do what the old application shows to agents. What they were stands in metadata, and 004 makes them that again.
ALTER TABLE public.iso_agents DISABLE TRIGGER update_iso_agents_updated_at;
UPDATE public.iso_agents
SET is_active = false,
    metadata = CASE
        WHEN jsonb_typeof(metadata) = 'object' THEN metadata
        WHEN metadata IS NULL THEN '{}'
        ELSE jsonb_build_object('metadata_was', metadata)
      END || jsonb_build_object('users_migration', jsonb_build_object('role', 'customer', 'is_active', is_active))
WHERE role = 'customer';
ALTER TABLE public.iso_agents ENABLE TRIGGER update_iso_agents_updated_at;

CREATE TYPE public.user_role_old AS ENUM ('iso_agent', 'admin', 'operator');
ALTER TABLE public.iso_agents ALTER COLUMN role DROP DEFAULT;
ALTER TABLE public.iso_agents ALTER COLUMN role TYPE public.user_role_old USING (
  CASE WHEN role::text IN ('sales_rep', 'customer') THEN 'iso_agent' ELSE role::text END::public.user_role_old
);
DROP TYPE public.user_role;
ALTER TYPE public.user_role_old RENAME TO user_role;
COMMENT ON TYPE public.user_role IS 'What a person may do; iso_agent is the default of a sign-up';
ALTER TABLE public.iso_agents ALTER COLUMN role SET DEFAULT 'iso_agent';
COMMENT ON COLUMN public.iso_agents.role IS 'iso_agent, admin or operator';

CREATE INDEX idx_iso_agents_active_operators ON public.iso_agents (full_name) WHERE role = 'operator' AND is_active;
COMMENT ON INDEX public.idx_iso_agents_active_operators IS 'Feeds the list of operators';

CREATE TRIGGER iso_agents_keep_one_admin BEFORE UPDATE OF role, is_active ON public.iso_agents
  FOR EACH ROW WHEN (OLD.role = 'admin' AND OLD.is_active AND (NEW.role <> 'admin' OR NOT NEW.is_active))
  EXECUTE FUNCTION public.keep_one_admin();
COMMENT ON TRIGGER iso_agents_keep_one_admin ON public.iso_agents IS 'Nobody locks everybody out';

CREATE POLICY "Operators are listed to every agent" ON public.iso_agents
  FOR SELECT TO authenticated USING (role = 'operator' AND is_active AND public.get_current_iso_agent_id() IS NOT NULL);
COMMENT ON POLICY "Operators are listed to every agent" ON public.iso_agents IS 'Agents pick an operator from the list';

CREATE VIEW public.agent_directory AS
  SELECT id, member_no, full_name, company, email, role
  FROM public.iso_agents
  WHERE is_active;
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

ANALYZE public.iso_agents;
