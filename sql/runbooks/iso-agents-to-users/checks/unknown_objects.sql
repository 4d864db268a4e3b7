-- What refers to the role column, the enum or iso_agents and is not what the steps take down and put up again, or what
-- they expect and is not there. Whether an argument's type is written with pg_catalog depends on the version. Anything listed here makes a step fail or is broken by the rename.
WITH known (kind, identity) AS (
  VALUES
    ('default value', 'for public.iso_agents.role'),
    ('function', 'public.set_iso_agent_role(uuid,public.user_role)'),
    ('index', 'public.idx_iso_agents_active_operators'),
    ('index', 'public.idx_iso_agents_role'),
    ('policy', '"Operators are listed to every agent" on public.iso_agents'),
    ('rule', '"_RETURN" on public.agent_directory'),
    ('statistics object', 'public.iso_agents_company_role'),
    ('table column', 'public.iso_agents.role'),
    ('trigger', 'iso_agents_keep_one_admin on public.iso_agents'),
    ('view column', 'public.agent_directory.role'),
    ('function that names iso_agent', 'public.assign_request_owner()'),
    ('function that names iso_agent', 'public.get_current_iso_agent_id()'),
    ('function that names iso_agent', 'public.is_admin()'),
    ('function that names iso_agent', 'public.is_operator()'),
    ('function that names iso_agent', 'public.keep_one_admin()'),
    ('function that names iso_agent', 'public.owns_resource(uuid)'),
    ('function that names iso_agent', 'public.set_iso_agent_role(uuid,public.user_role)'),
    ('policy that uses a helper', '"Only admins can delete iso_agents" on public.iso_agents'),
    ('policy that uses a helper', '"Operators are listed to every agent" on public.iso_agents'),
    ('policy that uses a helper', '"Users can create own client profiles" on public.client_profiles'),
    ('policy that uses a helper', '"Users can create own requests" on public.requests'),
    ('policy that uses a helper', '"Users can delete own client profiles" on public.client_profiles'),
    ('policy that uses a helper', '"Users can delete own requests" on public.requests'),
    ('policy that uses a helper', '"Users can delete quotes for own requests" on public.quotes'),
    ('policy that uses a helper', '"Users can update own client profiles" on public.client_profiles'),
    ('policy that uses a helper', '"Users can update own profile or admin can update any" on public.iso_agents'),
    ('policy that uses a helper', '"Users can update own requests" on public.requests'),
    ('policy that uses a helper', '"Users can update quotes for own requests" on public.quotes'),
    ('policy that uses a helper', '"Users can view execution logs for own requests" on public.agent_executions'),
    ('policy that uses a helper', '"Users can view own client profiles" on public.client_profiles'),
    ('policy that uses a helper', '"Users can view own profile or admin can view all" on public.iso_agents'),
    ('policy that uses a helper', '"Users can view own requests" on public.requests'),
    ('policy that uses a helper', '"Users can view quotes for own requests" on public.quotes'),
    ('policy that uses a helper', '"Users can view workflow states for own requests" on public.workflow_states')
), found (kind, identity) AS (
  SELECT DISTINCT o.type, replace(o.identity, 'pg_catalog.', '')
  FROM pg_depend AS d, LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS o
  WHERE d.deptype <> 'i'
    -- NOT NULL, which is a constraint since PostgreSQL 18, is carried over.
    AND NOT (d.classid = 'pg_constraint'::regclass AND EXISTS (SELECT FROM pg_constraint AS n WHERE n.oid = d.objid AND n.contype = 'n'))
    AND (
    (d.refclassid = 'pg_type'::regclass AND d.refobjid IN (to_regtype('public.user_role'), to_regtype('public.user_role[]')))
    OR (d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass('public.iso_agents') AND d.refobjsubid = (
      SELECT attnum FROM pg_attribute WHERE attrelid = to_regclass('public.iso_agents') AND attname = 'role')))
  UNION
  SELECT 'function that names iso_agent', replace(o.identity, 'pg_catalog.', '')
  FROM pg_proc AS p, LATERAL pg_identify_object('pg_proc'::regclass, p.oid, 0) AS o
  WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AND p.prosrc ~ 'iso_agent'
  UNION
  SELECT 'policy that uses a helper', o.identity
  FROM pg_depend AS d, LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS o
  WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_proc'::regclass AND d.refobjid IN (
    to_regprocedure('public.get_current_iso_agent_id()'), to_regprocedure('public.is_admin()'),
    to_regprocedure('public.is_operator()'), to_regprocedure('public.owns_resource(uuid)'))
)
SELECT CASE WHEN known.kind IS NULL THEN 'unknown' ELSE 'missing' END AS finding, kind, identity
FROM known FULL JOIN found USING (kind, identity)
WHERE known IS NULL OR found IS NULL
ORDER BY 1, 2, 3
