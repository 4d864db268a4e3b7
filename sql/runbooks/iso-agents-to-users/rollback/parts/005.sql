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
