-- 005: iso_agents is users, and what the application kept in metadata has columns of its own.
BEGIN;

-- A time without zone in metadata is one in UTC, whatever the operator's session says.
SET LOCAL TimeZone = 'UTC';

-- The same order as in every step (see 004); nothing but this table is touched.
LOCK TABLE public.iso_agents IN ACCESS EXCLUSIVE MODE;

ALTER TABLE public.iso_agents RENAME TO users;
COMMENT ON TABLE public.users IS 'User profiles for sales reps, admins, customers and operators, synced from Clerk';

-- The guide says "all indexes" and means those it made itself: keys, constraints, the sequence behind the identity,
-- the statistics object and the triggers bear the old name, too.
ALTER INDEX public.idx_iso_agents_clerk_user_id RENAME TO idx_users_clerk_user_id;
ALTER INDEX public.idx_iso_agents_email RENAME TO idx_users_email;
ALTER INDEX public.idx_iso_agents_role RENAME TO idx_users_role;
ALTER INDEX public.idx_iso_agents_active_operators RENAME TO idx_users_active_operators;
ALTER TABLE public.users RENAME CONSTRAINT iso_agents_pkey TO users_pkey;
ALTER TABLE public.users RENAME CONSTRAINT iso_agents_clerk_user_id_key TO users_clerk_user_id_key;
ALTER TABLE public.users RENAME CONSTRAINT iso_agents_email_key TO users_email_key;
ALTER TABLE public.users RENAME CONSTRAINT iso_agents_email_check TO users_email_check;
ALTER SEQUENCE public.iso_agents_member_no_seq RENAME TO users_member_no_seq;
ALTER STATISTICS public.iso_agents_company_role RENAME TO users_company_role;
ALTER TRIGGER update_iso_agents_updated_at ON public.users RENAME TO update_users_updated_at;
ALTER TRIGGER iso_agents_keep_one_admin ON public.users RENAME TO users_keep_one_admin;

-- Since PostgreSQL 18 NOT NULL is a constraint with a name; before, this finds none.
DO $not_null$
DECLARE
  old_name text;
BEGIN
  FOR old_name IN
    SELECT conname FROM pg_constraint
    WHERE conrelid = 'public.users'::regclass AND contype = 'n' AND conname LIKE 'iso\_agents\_%'
  LOOP
    EXECUTE format('ALTER TABLE public.users RENAME CONSTRAINT %I TO %I', old_name, replace(old_name, 'iso_agents_', 'users_'));
  END LOOP;
END
$not_null$;

-- phone and timezone are text: a length limit would cut or refuse what people have typed.
ALTER TABLE public.users
  ADD COLUMN avatar_url text,
  ADD COLUMN phone text,
  ADD COLUMN timezone text NOT NULL DEFAULT 'UTC',
  ADD COLUMN preferences jsonb NOT NULL DEFAULT '{}'::jsonb,
  ADD COLUMN last_login_at timestamptz;
COMMENT ON COLUMN public.users.avatar_url IS 'Profile picture';
COMMENT ON COLUMN public.users.phone IS 'As the person typed it';
COMMENT ON COLUMN public.users.timezone IS 'IANA name';
COMMENT ON COLUMN public.users.preferences IS 'Settings of the user interface, an object';
COMMENT ON COLUMN public.users.last_login_at IS 'Last login that Clerk told us of';
COMMENT ON COLUMN public.users.role IS 'sales_rep, admin, customer or operator';
COMMENT ON COLUMN public.users.metadata IS 'Whatever else Clerk sends; moved_to_columns holds the original of what has a column now';

-- UPDATE is granted by column, so nobody could change their own phone number otherwise.
GRANT UPDATE (avatar_url, phone, timezone, preferences, last_login_at) ON public.users TO authenticated;

-- A text is a time only if it is a date of the calendar in ISO form: 'now' and 'tomorrow' are not what was meant.
-- A number counts the seconds, or as Clerk does the milliseconds, since 1970.
CREATE FUNCTION pg_temp.login_time(value jsonb) RETURNS timestamptz
  LANGUAGE plpgsql STABLE
  AS $$
BEGIN
  IF jsonb_typeof(value) = 'number' AND value::numeric BETWEEN 0 AND 99999999999999 THEN
    RETURN to_timestamp(CASE WHEN value::numeric >= 100000000000 THEN value::numeric / 1000 ELSE value::numeric END::double precision);
  END IF;
  IF jsonb_typeof(value) = 'string'
     AND value #>> '{}' ~ '^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$' THEN
    RETURN (value #>> '{}')::timestamptz;
  END IF;
  RETURN NULL;
EXCEPTION WHEN datetime_field_overflow OR invalid_datetime_format OR invalid_time_zone_displacement_value THEN
  RETURN NULL;
END;
$$;

-- Moved is what the column can take; the rest (a list of phone numbers, a time zone on Mars) stays in metadata as it
-- is. The originals go under moved_to_columns, so that the way back restores metadata exactly, number or text, spaces
-- and zone included. The trigger is off because nobody changed these profiles: updated_at stays.
ALTER TABLE public.users DISABLE TRIGGER update_users_updated_at;

WITH readable AS (
  SELECT u.id,
    CASE WHEN jsonb_typeof(u.metadata -> 'avatar_url') = 'string' THEN nullif(btrim(u.metadata ->> 'avatar_url'), '') END AS avatar_url,
    CASE WHEN jsonb_typeof(u.metadata -> 'phone') IN ('string', 'number') THEN nullif(btrim(u.metadata ->> 'phone'), '') END AS phone,
    zone.name AS timezone,
    CASE WHEN jsonb_typeof(u.metadata -> 'preferences') = 'object' THEN u.metadata -> 'preferences' END AS preferences,
    pg_temp.login_time(u.metadata -> 'last_login_at') AS last_login_at
  FROM public.users AS u
  LEFT JOIN pg_timezone_names AS zone
    ON jsonb_typeof(u.metadata -> 'timezone') = 'string' AND zone.name = u.metadata ->> 'timezone'
  WHERE jsonb_typeof(u.metadata) = 'object'
), moved AS (
  SELECT *, array_remove(ARRAY[
    CASE WHEN avatar_url IS NOT NULL THEN 'avatar_url' END,
    CASE WHEN phone IS NOT NULL THEN 'phone' END,
    CASE WHEN timezone IS NOT NULL THEN 'timezone' END,
    CASE WHEN preferences IS NOT NULL THEN 'preferences' END,
    CASE WHEN last_login_at IS NOT NULL THEN 'last_login_at' END], NULL) AS keys
  FROM readable
)
UPDATE public.users AS u
SET avatar_url = moved.avatar_url,
    phone = moved.phone,
    timezone = coalesce(moved.timezone, 'UTC'),
    preferences = coalesce(moved.preferences, '{}'),
    last_login_at = moved.last_login_at,
    metadata = (u.metadata - moved.keys) || jsonb_build_object(
      'moved_to_columns', (SELECT jsonb_object_agg(key, u.metadata -> key) FROM unnest(moved.keys) AS key))
FROM moved
WHERE moved.id = u.id AND cardinality(moved.keys) > 0;

-- Sign-ups of the old application between 004 and now.
UPDATE public.users SET role = 'sales_rep' WHERE role = 'iso_agent';

ALTER TABLE public.users ENABLE TRIGGER update_users_updated_at;
DROP FUNCTION pg_temp.login_time(jsonb);

-- An enum's label cannot be dropped; from here on nobody may use the retired one.
ALTER TABLE public.users ADD CONSTRAINT users_role_not_retired_check CHECK (role <> 'iso_agent');

-- Still under the lock, so this can be exact, as no later look can be: every original has its value in a column.
DO $proof$
DECLARE
  wrong bigint;
BEGIN
  SELECT count(*) INTO wrong
  FROM public.users AS u, LATERAL (SELECT u.metadata -> 'moved_to_columns' AS original) AS o
  WHERE jsonb_typeof(u.metadata) = 'object' AND u.metadata ? 'moved_to_columns' AND (
    u.avatar_url IS DISTINCT FROM btrim(original ->> 'avatar_url')
    OR u.phone IS DISTINCT FROM btrim(original ->> 'phone')
    OR u.timezone IS DISTINCT FROM coalesce(original ->> 'timezone', 'UTC')
    OR u.preferences IS DISTINCT FROM coalesce(original -> 'preferences', '{}')
    OR (u.last_login_at IS NULL) IS DISTINCT FROM (original -> 'last_login_at' IS NULL)
    OR u.metadata ?| ARRAY(SELECT jsonb_object_keys(original)));
  IF wrong > 0 THEN
    RAISE EXCEPTION '% users whose columns differ from what metadata held', wrong;
  END IF;
END
$proof$;

CREATE INDEX idx_users_last_login_at ON public.users (last_login_at DESC);

-- A body in plpgsql is text and does not follow a rename: without this every query under row security fails from here
-- to 007. The names stay until 007, because the policies use them.
CREATE OR REPLACE FUNCTION public.get_current_iso_agent_id() RETURNS uuid
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

CREATE OR REPLACE FUNCTION public.set_iso_agent_role(agent_id uuid, new_role public.user_role) RETURNS void
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

ANALYZE public.users;

COMMIT;
