-- 007: row security and its helper functions speak of users.
BEGIN;

-- The guide says "no locks", but CREATE POLICY and DROP POLICY take ACCESS EXCLUSIVE on their table. The same order as
-- in every step (see 004): the policies of the first tables read the later ones.
LOCK TABLE public.agent_executions, public.workflow_states, public.quotes, public.requests, public.client_profiles,
  public.users IN ACCESS EXCLUSIVE MODE;

DROP POLICY "Users can view own profile or admin can view all" ON public.users;
DROP POLICY "Operators are listed to every agent" ON public.users;
DROP POLICY "Only service role can insert iso_agents" ON public.users;
DROP POLICY "Users can update own profile or admin can update any" ON public.users;
DROP POLICY "Only admins can delete iso_agents" ON public.users;
DROP POLICY "Reporting can read iso_agents" ON public.users;
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

DROP FUNCTION public.get_current_iso_agent_id();
DROP FUNCTION public.set_iso_agent_role(uuid, public.user_role);

-- SECURITY DEFINER, because a policy on users that read users as the caller would call itself without end; with an
-- empty search_path and full names, because otherwise the caller's own "users" would decide who is an admin.
CREATE FUNCTION public.get_current_user_id() RETURNS uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$ SELECT id FROM public.users WHERE clerk_user_id = auth.jwt() ->> 'sub' AND is_active $$;

CREATE FUNCTION public.get_current_user_role() RETURNS public.user_role
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$ SELECT role FROM public.users WHERE clerk_user_id = auth.jwt() ->> 'sub' AND is_active $$;

-- Never null: "NOT is_customer()" would shut nobody out for a stranger.
CREATE FUNCTION public.is_sales_rep() RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$ SELECT coalesce(public.get_current_user_role() = 'sales_rep', false) $$;

CREATE FUNCTION public.is_customer() RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$ SELECT coalesce(public.get_current_user_role() = 'customer', false) $$;

CREATE OR REPLACE FUNCTION public.is_admin() RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$ SELECT coalesce(public.get_current_user_role() = 'admin', false) $$;

CREATE OR REPLACE FUNCTION public.is_operator() RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$ SELECT coalesce(public.get_current_user_role() = 'operator', false) $$;

-- The guide forgets it, and it calls a function that is gone. The parameter keeps its name: the application calls it by
-- name, and CREATE OR REPLACE refuses another one.
CREATE OR REPLACE FUNCTION public.owns_resource(resource_agent_id uuid) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$ SELECT coalesce(resource_agent_id = public.get_current_user_id(), false) OR public.is_admin() $$;

CREATE FUNCTION public.set_user_role(user_id uuid, new_role public.user_role) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
BEGIN
  IF NOT public.is_admin() THEN
    RAISE EXCEPTION 'only an admin changes roles' USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE public.users SET role = set_user_role.new_role WHERE id = set_user_role.user_id;
END;
$$;

CREATE OR REPLACE FUNCTION public.keep_one_admin() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM public.users WHERE role = 'admin' AND is_active AND id <> OLD.id) THEN
    RAISE EXCEPTION 'the last admin stays admin' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END;
$$;

CREATE OR REPLACE FUNCTION public.assign_request_owner() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
BEGIN
  IF NEW.user_id IS NULL THEN
    SELECT c.user_id INTO NEW.user_id FROM public.client_profiles AS c WHERE c.id = NEW.client_profile_id;
  END IF;
  RETURN NEW;
END;
$$;

-- A new function may be called by everybody until that is taken away.
REVOKE ALL ON FUNCTION public.get_current_user_id() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.get_current_user_role() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.is_sales_rep() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.is_customer() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.set_user_role(uuid, public.user_role) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.get_current_user_id() TO authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.get_current_user_role() TO authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.is_sales_rep() TO authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.is_customer() TO authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.set_user_role(uuid, public.user_role) TO authenticated;

COMMENT ON FUNCTION public.get_current_user_id() IS 'The user of the current token, null for a stranger';
COMMENT ON FUNCTION public.get_current_user_role() IS 'The role of the current token''s user, null for a stranger';
COMMENT ON FUNCTION public.is_sales_rep() IS 'Whether the current token belongs to an active sales rep';
COMMENT ON FUNCTION public.is_customer() IS 'Whether the current token belongs to an active customer';
COMMENT ON FUNCTION public.set_user_role(uuid, public.user_role) IS 'Called by the admin screen';

-- "(SELECT f())" is evaluated once a statement, a bare f() once a row, and lets an index on user_id be used.
CREATE POLICY "Users can view own profile or admin can view all" ON public.users
  FOR SELECT TO authenticated
  USING (clerk_user_id = (SELECT auth.jwt() ->> 'sub') OR (SELECT public.is_admin()));
-- Every user used to be staff; a customer is not, and does not see the staff's profiles.
CREATE POLICY "Operators are listed to staff" ON public.users
  FOR SELECT TO authenticated
  USING (role = 'operator' AND is_active
         AND (SELECT public.get_current_user_id() IS NOT NULL AND NOT public.is_customer()));
CREATE POLICY "Only service role can insert users" ON public.users
  FOR INSERT TO authenticated WITH CHECK (false);
CREATE POLICY "Users can update own profile or admin can update any" ON public.users
  FOR UPDATE TO authenticated
  USING (clerk_user_id = (SELECT auth.jwt() ->> 'sub') OR (SELECT public.is_admin()))
  WITH CHECK (clerk_user_id = (SELECT auth.jwt() ->> 'sub') OR (SELECT public.is_admin()));
CREATE POLICY "Only admins can delete users" ON public.users
  FOR DELETE TO authenticated USING ((SELECT public.is_admin()));
CREATE POLICY "Reporting can read users" ON public.users
  FOR SELECT TO reporting USING (true);

CREATE POLICY "Users can view own client profiles" ON public.client_profiles
  FOR SELECT TO authenticated
  USING (user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin()));
-- Customers are new; clients are kept by staff.
CREATE POLICY "Users can create own client profiles" ON public.client_profiles
  FOR INSERT TO authenticated
  WITH CHECK (user_id = (SELECT public.get_current_user_id()) AND NOT (SELECT public.is_customer()));
CREATE POLICY "Users can update own client profiles" ON public.client_profiles
  FOR UPDATE TO authenticated
  USING (user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin()))
  WITH CHECK (user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin()));
CREATE POLICY "Users can delete own client profiles" ON public.client_profiles
  FOR DELETE TO authenticated
  USING (user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin()));

CREATE POLICY "Users can view own requests" ON public.requests
  FOR SELECT TO authenticated
  USING (user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin() OR public.is_operator()));
CREATE POLICY "Users can create own requests" ON public.requests
  FOR INSERT TO authenticated WITH CHECK (user_id = (SELECT public.get_current_user_id()));
CREATE POLICY "Users can update own requests" ON public.requests
  FOR UPDATE TO authenticated
  USING (user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin()))
  WITH CHECK (user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin()));
CREATE POLICY "Users can delete own requests" ON public.requests
  FOR DELETE TO authenticated
  USING (user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin()));

CREATE POLICY "Users can view quotes for own requests" ON public.quotes
  FOR SELECT TO authenticated USING (EXISTS (
    SELECT FROM public.requests AS r WHERE r.id = quotes.request_id
    AND (r.user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin()))));
CREATE POLICY "Only service role can insert quotes" ON public.quotes
  FOR INSERT TO authenticated WITH CHECK (false);
CREATE POLICY "Users can update quotes for own requests" ON public.quotes
  FOR UPDATE TO authenticated USING (EXISTS (
    SELECT FROM public.requests AS r WHERE r.id = quotes.request_id
    AND (r.user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin()))));
CREATE POLICY "Users can delete quotes for own requests" ON public.quotes
  FOR DELETE TO authenticated USING (EXISTS (
    SELECT FROM public.requests AS r WHERE r.id = quotes.request_id
    AND (r.user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin()))));

CREATE POLICY "Users can view workflow states for own requests" ON public.workflow_states
  FOR SELECT TO authenticated USING (EXISTS (
    SELECT FROM public.requests AS r WHERE r.id = workflow_states.request_id
    AND (r.user_id = (SELECT public.get_current_user_id()) OR (SELECT public.is_admin()))));

CREATE POLICY "Users can view execution logs for own requests" ON public.agent_executions
  FOR SELECT TO authenticated USING ((SELECT public.is_admin()) OR EXISTS (
    SELECT FROM public.requests AS r WHERE r.id = agent_executions.request_id
    AND r.user_id = (SELECT public.get_current_user_id())));

COMMENT ON POLICY "Operators are listed to staff" ON public.users IS 'Sales reps pick an operator from the list';
COMMENT ON POLICY "Users can view own requests" ON public.requests IS 'Operators see every request, to quote on it';

-- "Sales rep creates client: links to user_id" is a write, so it is tried here, as the role, and taken back at once by
-- the exception; if it does not work, nothing of 007 is committed.
DO $flow$
DECLARE
  rep record;
  linked uuid;
  refused boolean := false;
BEGIN
  SELECT id, clerk_user_id INTO rep FROM public.users WHERE role = 'sales_rep' AND is_active ORDER BY id LIMIT 1;
  IF rep.id IS NULL THEN
    RAISE NOTICE 'no active sales rep to try row security with';
    RETURN;
  END IF;
  PERFORM set_config('request.jwt.claims', json_build_object('sub', rep.clerk_user_id, 'role', 'authenticated')::text, true);
  BEGIN
    SET LOCAL ROLE authenticated;
    INSERT INTO public.client_profiles (user_id, company_name, contact_name, email)
    VALUES (public.get_current_user_id(), 'tried by 007', 'nobody', 'nobody@invalid')
    RETURNING user_id INTO linked;
    RAISE EXCEPTION USING ERRCODE = 'LS007';
  EXCEPTION WHEN SQLSTATE 'LS007' THEN
    NULL;
  END;
  IF linked IS DISTINCT FROM rep.id THEN
    RAISE EXCEPTION 'a client made by sales rep % is linked to %', rep.id, linked;
  END IF;
  BEGIN
    SET LOCAL ROLE authenticated;
    INSERT INTO public.client_profiles (user_id, company_name, contact_name, email)
    SELECT id, 'tried by 007', 'nobody', 'nobody@invalid' FROM public.agent_directory WHERE id <> rep.id LIMIT 1;
    RAISE EXCEPTION USING ERRCODE = 'LS007';
  EXCEPTION
    WHEN insufficient_privilege THEN refused := true;
    WHEN SQLSTATE 'LS007' THEN NULL;
  END;
  IF NOT refused THEN
    RAISE EXCEPTION 'a sales rep can make a client for somebody else';
  END IF;
  PERFORM set_config('request.jwt.claims', '', true);
END
$flow$;

COMMIT;
