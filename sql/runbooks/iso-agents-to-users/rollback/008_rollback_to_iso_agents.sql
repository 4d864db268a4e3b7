-- 008: back from users to iso_agents, all of 004 to 007 in one transaction.
-- The four parts are those of 007.sql to 004.sql, word for word (a test compares them), under one lock at the start.
BEGIN;

-- One wait, before anything is done; the same order as in every step (see steps/004).
LOCK TABLE public.agent_executions, public.workflow_states, public.quotes, public.request_summary, public.requests,
  public.client_profiles, public.agent_directory, public.users IN ACCESS EXCLUSIVE MODE;

-- Begin of 007.
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
-- End of 007.

-- Begin of 006.
ALTER TABLE public.client_profiles RENAME COLUMN user_id TO iso_agent_id;
ALTER TABLE public.requests RENAME COLUMN user_id TO iso_agent_id;
ALTER VIEW public.request_summary RENAME COLUMN user_id TO iso_agent_id;

ALTER INDEX public.idx_client_profiles_user_id RENAME TO idx_client_profiles_iso_agent_id;
ALTER INDEX public.idx_requests_user_id RENAME TO idx_requests_iso_agent_id;
ALTER INDEX public.idx_requests_user_id_created_at RENAME TO idx_requests_iso_agent_id_created_at;
ALTER TABLE public.client_profiles RENAME CONSTRAINT client_profiles_user_id_fkey TO client_profiles_iso_agent_id_fkey;
ALTER TABLE public.requests RENAME CONSTRAINT requests_user_id_fkey TO requests_iso_agent_id_fkey;

DO $not_null$
DECLARE
  new record;
BEGIN
  FOR new IN
    SELECT conrelid::regclass AS name, conname FROM pg_constraint
    WHERE conrelid IN ('public.client_profiles'::regclass, 'public.requests'::regclass)
      AND contype = 'n' AND conname LIKE '%\_user\_id\_%'
  LOOP
    EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', new.name, new.conname, replace(new.conname, '_user_id_', '_iso_agent_id_'));
  END LOOP;
END
$not_null$;

COMMENT ON COLUMN public.client_profiles.iso_agent_id IS 'The ISO agent who manages this client';
COMMENT ON COLUMN public.requests.iso_agent_id IS 'The ISO agent who made this request';

CREATE OR REPLACE FUNCTION public.assign_request_owner() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  AS $$
BEGIN
  IF NEW.iso_agent_id IS NULL THEN
    SELECT iso_agent_id INTO NEW.iso_agent_id FROM client_profiles WHERE id = NEW.client_profile_id;
  END IF;
  RETURN NEW;
END;
$$;
-- End of 006.

-- Begin of 005.
-- As in steps/005, so that a time without zone is read as it was there.
SET LOCAL TimeZone = 'UTC';

-- Nothing is lost: the originals go back as they were, and over them whatever the new application has written since,
-- under the keys that the old application reads. Metadata that is no object (a list, a text) is kept as metadata_was
-- if the new application has given that user something to write beside it.
ALTER TABLE public.users DISABLE TRIGGER update_users_updated_at;

WITH known AS (
  SELECT u.id,
    CASE WHEN jsonb_typeof(u.metadata) = 'object' THEN coalesce(u.metadata -> 'moved_to_columns', '{}') ELSE '{}' END AS original
  FROM public.users AS u
), changed AS (
  SELECT known.id, known.original, jsonb_object_agg(field.key, field.value) FILTER (WHERE field.is_new) AS fields
  FROM known
  JOIN public.users AS u ON u.id = known.id
  CROSS JOIN LATERAL (VALUES
    ('avatar_url', to_jsonb(u.avatar_url), u.avatar_url IS DISTINCT FROM btrim(original ->> 'avatar_url')),
    ('phone', to_jsonb(u.phone), u.phone IS DISTINCT FROM btrim(original ->> 'phone')),
    ('timezone', to_jsonb(u.timezone), u.timezone IS DISTINCT FROM coalesce(original ->> 'timezone', 'UTC')),
    ('preferences', u.preferences, u.preferences IS DISTINCT FROM coalesce(original -> 'preferences', '{}')),
    ('last_login_at', to_jsonb(u.last_login_at), u.last_login_at IS DISTINCT FROM
      CASE jsonb_typeof(original -> 'last_login_at')
        WHEN 'string' THEN (original ->> 'last_login_at')::timestamptz
        WHEN 'number' THEN to_timestamp(
          CASE WHEN (original ->> 'last_login_at')::numeric >= 100000000000 THEN (original ->> 'last_login_at')::numeric / 1000
            ELSE (original ->> 'last_login_at')::numeric END::double precision)
      END)
  ) AS field (key, value, is_new)
  GROUP BY known.id, known.original
)
UPDATE public.users AS u
SET metadata =
  CASE jsonb_typeof(u.metadata)
    WHEN 'object' THEN u.metadata - 'moved_to_columns'
    WHEN 'array' THEN jsonb_build_object('metadata_was', u.metadata)
    WHEN 'string' THEN jsonb_build_object('metadata_was', u.metadata)
    WHEN 'number' THEN jsonb_build_object('metadata_was', u.metadata)
    WHEN 'boolean' THEN jsonb_build_object('metadata_was', u.metadata)
    ELSE '{}'
  END || changed.original || coalesce(changed.fields, '{}')
FROM changed
WHERE changed.id = u.id AND (changed.original <> '{}' OR changed.fields IS NOT NULL);

ALTER TABLE public.users ENABLE TRIGGER update_users_updated_at;

DROP INDEX public.idx_users_last_login_at;
ALTER TABLE public.users DROP CONSTRAINT users_role_not_retired_check;
ALTER TABLE public.users
  DROP COLUMN avatar_url,
  DROP COLUMN phone,
  DROP COLUMN timezone,
  DROP COLUMN preferences,
  DROP COLUMN last_login_at;

ALTER TABLE public.users RENAME TO iso_agents;
COMMENT ON TABLE public.iso_agents IS 'User profiles for ISO agents, synced from Clerk';
COMMENT ON COLUMN public.iso_agents.metadata IS 'avatar_url, phone, timezone, preferences, last_login_at and whatever else Clerk sends';

ALTER INDEX public.idx_users_clerk_user_id RENAME TO idx_iso_agents_clerk_user_id;
ALTER INDEX public.idx_users_email RENAME TO idx_iso_agents_email;
ALTER INDEX public.idx_users_role RENAME TO idx_iso_agents_role;
ALTER INDEX public.idx_users_active_operators RENAME TO idx_iso_agents_active_operators;
ALTER TABLE public.iso_agents RENAME CONSTRAINT users_pkey TO iso_agents_pkey;
ALTER TABLE public.iso_agents RENAME CONSTRAINT users_clerk_user_id_key TO iso_agents_clerk_user_id_key;
ALTER TABLE public.iso_agents RENAME CONSTRAINT users_email_key TO iso_agents_email_key;
ALTER TABLE public.iso_agents RENAME CONSTRAINT users_email_check TO iso_agents_email_check;
ALTER SEQUENCE public.users_member_no_seq RENAME TO iso_agents_member_no_seq;
ALTER STATISTICS public.users_company_role RENAME TO iso_agents_company_role;
ALTER TRIGGER update_users_updated_at ON public.iso_agents RENAME TO update_iso_agents_updated_at;
ALTER TRIGGER users_keep_one_admin ON public.iso_agents RENAME TO iso_agents_keep_one_admin;

DO $not_null$
DECLARE
  new_name text;
BEGIN
  FOR new_name IN
    SELECT conname FROM pg_constraint
    WHERE conrelid = 'public.iso_agents'::regclass AND contype = 'n' AND conname LIKE 'users\_%'
  LOOP
    EXECUTE format('ALTER TABLE public.iso_agents RENAME CONSTRAINT %I TO %I', new_name, regexp_replace(new_name, '^users_', 'iso_agents_'));
  END LOOP;
END
$not_null$;

CREATE OR REPLACE FUNCTION public.get_current_iso_agent_id() RETURNS uuid
  LANGUAGE plpgsql STABLE SECURITY DEFINER
  AS $$
BEGIN
  RETURN (SELECT id FROM iso_agents WHERE clerk_user_id = auth.jwt() ->> 'sub' AND is_active);
END;
$$;

CREATE OR REPLACE FUNCTION public.is_admin() RETURNS boolean
  LANGUAGE plpgsql STABLE SECURITY DEFINER
  AS $$
BEGIN
  RETURN EXISTS (SELECT FROM iso_agents WHERE clerk_user_id = auth.jwt() ->> 'sub' AND is_active AND role = 'admin');
END;
$$;

CREATE OR REPLACE FUNCTION public.is_operator() RETURNS boolean
  LANGUAGE plpgsql STABLE SECURITY DEFINER
  AS $$
BEGIN
  RETURN EXISTS (SELECT FROM iso_agents WHERE clerk_user_id = auth.jwt() ->> 'sub' AND is_active AND role = 'operator');
END;
$$;

CREATE OR REPLACE FUNCTION public.set_iso_agent_role(agent_id uuid, new_role public.user_role) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  AS $$
BEGIN
  IF NOT is_admin() THEN
    RAISE EXCEPTION 'only an admin changes roles' USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE iso_agents SET role = new_role WHERE id = agent_id;
END;
$$;

CREATE OR REPLACE FUNCTION public.keep_one_admin() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM iso_agents WHERE role = 'admin' AND is_active AND id <> OLD.id) THEN
    RAISE EXCEPTION 'the last admin stays admin' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END;
$$;
-- End of 005.

-- Begin of 004.
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
-- End of 004.

COMMIT;
