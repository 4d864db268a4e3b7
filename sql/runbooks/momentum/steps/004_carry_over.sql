-- Included by 004. Until the new application is deployed the old one goes on working, and what it writes must not be
-- missing afterwards. These run as their owner, because the old application has no rights on the new tables. They
-- never make a statement of the old application fail: what cannot be carried over is noted, with the reason.
CREATE FUNCTION public.carry_over_legacy_user() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
DECLARE
  login text;
  problem text;
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM public.profiles WHERE id = OLD.id;
    DELETE FROM public.legacy_left_behind WHERE source = 'legacy_users' AND key = OLD.id::text;
    RETURN NULL;
  END IF;
  SELECT coalesce(u.email, '') INTO login FROM auth.users AS u WHERE u.id = NEW.id;
  IF login IS NULL THEN
    problem := 'no such user in auth.users';
  ELSIF btrim(coalesce(NEW.email, '')) = '' AND btrim(login) = '' THEN
    problem := 'no email, here or in auth.users';
  ELSE
    BEGIN
      INSERT INTO public.profiles AS p (id, email, name, created_at)
      VALUES (NEW.id, CASE WHEN btrim(coalesce(NEW.email, '')) = '' THEN login ELSE NEW.email END, NEW.display_name, NEW.created_at)
      ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, created_at = excluded.created_at;
    EXCEPTION
      WHEN unique_violation THEN
        -- Somebody else has that email: the login's own, or for a profile that is there the one that it has.
        BEGIN
          INSERT INTO public.profiles AS p (id, email, name, created_at)
          SELECT NEW.id, nullif(btrim(login), ''), NEW.display_name, NEW.created_at
          ON CONFLICT (id) DO UPDATE SET name = excluded.name, created_at = excluded.created_at;
        EXCEPTION
          WHEN unique_violation OR not_null_violation THEN
            problem := 'email belongs to another profile';
        END;
      WHEN OTHERS THEN
        problem := SQLERRM;
    END;
  END IF;
  IF problem IS NULL THEN
    DELETE FROM public.legacy_left_behind WHERE source = 'legacy_users' AND key = NEW.id::text;
  ELSE
    INSERT INTO public.legacy_left_behind (source, key, reason) VALUES ('legacy_users', NEW.id::text, problem)
    ON CONFLICT (source, key) DO UPDATE SET reason = excluded.reason, noted_at = excluded.noted_at;
  END IF;
  RETURN NULL;
END;
$$;

CREATE FUNCTION public.carry_over_legacy_session() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
DECLARE
  problem text;
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM public.deliverables WHERE id = OLD.session_id;
    DELETE FROM public.legacy_left_behind WHERE source = 'legacy_sessions' AND key = OLD.session_id;
    RETURN NULL;
  END IF;
  IF NEW.rendered_html IS NULL THEN
    -- Rendered once and emptied since: there is no deliverable any more, and nothing to leave behind.
    DELETE FROM public.deliverables WHERE id = NEW.session_id;
  ELSIF NEW.user_id IS NULL THEN
    problem := 'no user';
  ELSIF NOT EXISTS (SELECT FROM public.profiles WHERE id = NEW.user_id) THEN
    problem := 'its user has no profile';
  ELSIF NEW.client_name IS NULL THEN
    problem := 'no client name';
  ELSE
    BEGIN
      INSERT INTO public.deliverables (id, user_id, client_name, html, created_at)
      VALUES (NEW.session_id, NEW.user_id, NEW.client_name, NEW.rendered_html, NEW.created_at)
      ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, client_name = excluded.client_name, html = excluded.html,
        created_at = excluded.created_at;
    EXCEPTION
      WHEN OTHERS THEN
        problem := SQLERRM;
    END;
  END IF;
  IF problem IS NULL THEN
    DELETE FROM public.legacy_left_behind WHERE source = 'legacy_sessions' AND key = NEW.session_id;
  ELSE
    DELETE FROM public.deliverables WHERE id = NEW.session_id;
    INSERT INTO public.legacy_left_behind (source, key, reason) VALUES ('legacy_sessions', NEW.session_id, problem)
    ON CONFLICT (source, key) DO UPDATE SET reason = excluded.reason, noted_at = excluded.noted_at;
  END IF;
  RETURN NULL;
END;
$$;

COMMENT ON FUNCTION public.carry_over_legacy_user() IS 'Until the old application is gone: keeps profiles in step with legacy_users';
COMMENT ON FUNCTION public.carry_over_legacy_session() IS 'Until the old application is gone: keeps deliverables in step with legacy_sessions';
REVOKE ALL ON FUNCTION public.carry_over_legacy_user(), public.carry_over_legacy_session() FROM PUBLIC, anon, authenticated, service_role;

-- last_seen_at, which changes all the time, fires nothing.
CREATE TRIGGER carry_over AFTER INSERT OR DELETE OR UPDATE OF email, display_name, created_at ON public.legacy_users
  FOR EACH ROW EXECUTE FUNCTION public.carry_over_legacy_user();
CREATE TRIGGER carry_over AFTER INSERT OR DELETE OR UPDATE OF user_id, client_name, rendered_html, created_at ON public.legacy_sessions
  FOR EACH ROW EXECUTE FUNCTION public.carry_over_legacy_session();
