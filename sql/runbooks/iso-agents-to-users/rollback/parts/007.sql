DROP POLICY "Users can view own profile or admin can view all" ON public.users;
DROP POLICY "Operators are listed to staff" ON public.users;
DROP POLICY "Only service role can insert users" ON public.users;
DROP POLICY "Users can update own profile or admin can update any" ON public.users;
DROP POLICY "Only admins can delete users" ON public.users;
DROP POLICY "Reporting can read users" ON public.users;
DROP POLICY "Users can view own client profiles" ON public.client_profiles;
DROP POLICY "Users can create own client profiles" ON public.client_profiles;
DROP POLICY "Users can update own client profiles" ON public.client_profiles;
DROP POLICY "Users can delete own client profiles" ON public.client_profiles;
DROP POLICY "Users can view own requests" ON public.requests;
DROP POLICY "Users can create own requests" ON public.requests;
DROP POLICY "Users can update own requests" ON public.requests;
DROP POLICY "Users can delete own requests" ON public.requests;
DROP POLICY "Users can view quotes for own requests" ON public.quotes;
DROP POLICY "Only service role can insert quotes" ON public.quotes;
DROP POLICY "Users can update quotes for own requests" ON public.quotes;
DROP POLICY "Users can delete quotes for own requests" ON public.quotes;
DROP POLICY "Users can view workflow states for own requests" ON public.workflow_states;
DROP POLICY "Users can view execution logs for own requests" ON public.agent_executions;

DROP FUNCTION public.is_sales_rep();
DROP FUNCTION public.is_customer();
DROP FUNCTION public.set_user_role(uuid, public.user_role);

-- In the old words again; CREATE OR REPLACE keeps grants and comments and drops the search_path.
CREATE FUNCTION public.get_current_iso_agent_id() RETURNS uuid
  LANGUAGE plpgsql STABLE SECURITY DEFINER
  AS $$
BEGIN
  RETURN (SELECT id FROM users WHERE clerk_user_id = auth.jwt() ->> 'sub' AND is_active);
END;
$$;

CREATE OR REPLACE FUNCTION public.is_admin() RETURNS boolean
  LANGUAGE plpgsql STABLE SECURITY DEFINER
  AS $$
BEGIN
  RETURN EXISTS (SELECT FROM users WHERE clerk_user_id = auth.jwt() ->> 'sub' AND is_active AND role = 'admin');
END;
$$;

CREATE OR REPLACE FUNCTION public.is_operator() RETURNS boolean
  LANGUAGE plpgsql STABLE SECURITY DEFINER
  AS $$
BEGIN
  RETURN EXISTS (SELECT FROM users WHERE clerk_user_id = auth.jwt() ->> 'sub' AND is_active AND role = 'operator');
END;
$$;

CREATE OR REPLACE FUNCTION public.owns_resource(resource_agent_id uuid) RETURNS boolean
  LANGUAGE plpgsql STABLE SECURITY DEFINER
  AS $$
BEGIN
  RETURN resource_agent_id = get_current_iso_agent_id() OR is_admin();
END;
$$;

CREATE FUNCTION public.set_iso_agent_role(agent_id uuid, new_role public.user_role) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  AS $$
BEGIN
  IF NOT is_admin() THEN
    RAISE EXCEPTION 'only an admin changes roles' USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE users SET role = new_role WHERE id = agent_id;
END;
$$;

CREATE OR REPLACE FUNCTION public.keep_one_admin() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM users WHERE role = 'admin' AND is_active AND id <> OLD.id) THEN
    RAISE EXCEPTION 'the last admin stays admin' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END;
$$;

CREATE OR REPLACE FUNCTION public.assign_request_owner() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  AS $$
BEGIN
  IF NEW.user_id IS NULL THEN
    SELECT user_id INTO NEW.user_id FROM client_profiles WHERE id = NEW.client_profile_id;
  END IF;
  RETURN NEW;
END;
$$;

DROP FUNCTION public.get_current_user_id();
DROP FUNCTION public.get_current_user_role();

REVOKE ALL ON FUNCTION public.get_current_iso_agent_id() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.set_iso_agent_role(uuid, public.user_role) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.get_current_iso_agent_id() TO authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.set_iso_agent_role(uuid, public.user_role) TO authenticated;
COMMENT ON FUNCTION public.get_current_iso_agent_id() IS 'The ISO agent of the current token, null for a stranger';
COMMENT ON FUNCTION public.set_iso_agent_role(uuid, public.user_role) IS 'Called by the admin screen';

CREATE POLICY "Users can view own profile or admin can view all" ON public.users
  FOR SELECT TO authenticated USING (clerk_user_id = auth.jwt() ->> 'sub' OR public.is_admin());
CREATE POLICY "Operators are listed to every agent" ON public.users
  FOR SELECT TO authenticated USING (role = 'operator' AND is_active AND public.get_current_iso_agent_id() IS NOT NULL);
CREATE POLICY "Only service role can insert iso_agents" ON public.users
  FOR INSERT TO authenticated WITH CHECK (false);
CREATE POLICY "Users can update own profile or admin can update any" ON public.users
  FOR UPDATE TO authenticated
  USING (clerk_user_id = auth.jwt() ->> 'sub' OR public.is_admin())
  WITH CHECK (clerk_user_id = auth.jwt() ->> 'sub' OR public.is_admin());
CREATE POLICY "Only admins can delete iso_agents" ON public.users
  FOR DELETE TO authenticated USING (public.is_admin());
CREATE POLICY "Reporting can read iso_agents" ON public.users
  FOR SELECT TO reporting USING (true);

CREATE POLICY "Users can view own client profiles" ON public.client_profiles
  FOR SELECT TO authenticated USING (public.owns_resource(user_id));
CREATE POLICY "Users can create own client profiles" ON public.client_profiles
  FOR INSERT TO authenticated WITH CHECK (user_id = public.get_current_iso_agent_id());
CREATE POLICY "Users can update own client profiles" ON public.client_profiles
  FOR UPDATE TO authenticated
  USING (public.owns_resource(user_id)) WITH CHECK (public.owns_resource(user_id));
CREATE POLICY "Users can delete own client profiles" ON public.client_profiles
  FOR DELETE TO authenticated USING (public.owns_resource(user_id));

CREATE POLICY "Users can view own requests" ON public.requests
  FOR SELECT TO authenticated USING (public.owns_resource(user_id) OR public.is_operator());
CREATE POLICY "Users can create own requests" ON public.requests
  FOR INSERT TO authenticated WITH CHECK (user_id = public.get_current_iso_agent_id());
CREATE POLICY "Users can update own requests" ON public.requests
  FOR UPDATE TO authenticated
  USING (public.owns_resource(user_id)) WITH CHECK (public.owns_resource(user_id));
CREATE POLICY "Users can delete own requests" ON public.requests
  FOR DELETE TO authenticated USING (public.owns_resource(user_id));

CREATE POLICY "Users can view quotes for own requests" ON public.quotes
  FOR SELECT TO authenticated USING (EXISTS (
    SELECT FROM public.requests AS r WHERE r.id = quotes.request_id AND public.owns_resource(r.user_id)));
CREATE POLICY "Only service role can insert quotes" ON public.quotes
  FOR INSERT TO authenticated WITH CHECK (false);
CREATE POLICY "Users can update quotes for own requests" ON public.quotes
  FOR UPDATE TO authenticated USING (EXISTS (
    SELECT FROM public.requests AS r WHERE r.id = quotes.request_id AND public.owns_resource(r.user_id)));
CREATE POLICY "Users can delete quotes for own requests" ON public.quotes
  FOR DELETE TO authenticated USING (EXISTS (
    SELECT FROM public.requests AS r WHERE r.id = quotes.request_id AND public.owns_resource(r.user_id)));

CREATE POLICY "Users can view workflow states for own requests" ON public.workflow_states
  FOR SELECT TO authenticated USING (EXISTS (
    SELECT FROM public.requests AS r WHERE r.id = workflow_states.request_id AND public.owns_resource(r.user_id)));

CREATE POLICY "Users can view execution logs for own requests" ON public.agent_executions
  FOR SELECT TO authenticated USING (
    public.is_admin()
    OR EXISTS (SELECT FROM public.requests AS r
               WHERE r.id = agent_executions.request_id AND public.owns_resource(r.user_id)));

COMMENT ON POLICY "Operators are listed to every agent" ON public.users IS 'Agents pick an operator from the list';
COMMENT ON POLICY "Users can view own requests" ON public.requests IS 'Operators see every request, to quote on it';
