-- Included by 004. Until the new application is deployed the old one goes on working, and what it writes must not be
-- missing afterwards. These run as their owner, because the old application has no rights on the new tables. They
-- never make a statement of the old application fail: what cannot be carried over is noted, with the reason. And they change
-- and delete only what is still as it was copied: from the deploy on rows are the new application's.
CREATE FUNCTION public.carry_over_legacy_user() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
DECLARE
  login text;
  fallback text;
  wanted text;
  problem text;
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM public.legacy_left_behind WHERE source = 'legacy_users' AND key = OLD.id::text;
    BEGIN
      -- Nothing can be hung on it from here to the commit, which the DELETE would take along.
      PERFORM FROM public.profiles WHERE id = OLD.id FOR UPDATE;
      IF NOT FOUND THEN
        RETURN NULL;
      ELSIF EXISTS (SELECT FROM public.profiles WHERE id = OLD.id AND (name IS DISTINCT FROM OLD.display_name OR avatar_url IS NOT NULL))
        OR EXISTS (SELECT FROM public.organization_members WHERE user_id = OLD.id)
        OR EXISTS (SELECT FROM public.brand_settings WHERE user_id = OLD.id)
        OR EXISTS (SELECT FROM public.zoom_credentials WHERE user_id = OLD.id)
        OR EXISTS (SELECT FROM public.deliverables AS d WHERE d.user_id = OLD.id AND NOT EXISTS (
             SELECT FROM public.legacy_sessions AS s
             WHERE s.session_id = d.id AND (s.client_name, s.rendered_html) IS NOT DISTINCT FROM (d.client_name, d.html)))
      THEN
        problem := 'deleted there; the new application uses the profile, which stays';
      ELSE
        INSERT INTO public.legacy_left_behind (source, key, reason)
        SELECT 'legacy_sessions', id, 'its user has no profile' FROM public.deliverables WHERE user_id = OLD.id
        ON CONFLICT (source, key) DO UPDATE SET reason = excluded.reason, noted_at = excluded.noted_at;
        DELETE FROM public.profiles WHERE id = OLD.id;
      END IF;
    EXCEPTION
      WHEN OTHERS THEN
        problem := SQLERRM;
    END;
    IF problem IS NOT NULL THEN
      INSERT INTO public.legacy_left_behind (source, key, reason) VALUES ('legacy_users', OLD.id::text, problem)
      ON CONFLICT (source, key) DO UPDATE SET reason = excluded.reason, noted_at = excluded.noted_at;
    END IF;
    RETURN NULL;
  END IF;

  SELECT coalesce(u.email, '') INTO login FROM auth.users AS u WHERE u.id = NEW.id;
  -- Without an email over there: that of the login, or the one that the profile has. With one that somebody else logs in
  -- with, as well.
  fallback := coalesce(nullif(btrim(login), ''), (SELECT email FROM public.profiles WHERE id = NEW.id));
  wanted := NEW.email;
  IF btrim(coalesce(wanted, '')) = ''
    OR (wanted <> login AND EXISTS (SELECT FROM auth.users AS u WHERE u.email = wanted AND u.id <> NEW.id)) THEN
    wanted := fallback;
  END IF;
  IF login IS NULL THEN
    problem := 'no such user in auth.users';
  ELSIF wanted IS NULL THEN
    problem := 'no email, here or in auth.users';
  ELSE
    BEGIN
      INSERT INTO public.profiles AS p (id, email, name, created_at) VALUES (NEW.id, wanted, NEW.display_name, NEW.created_at)
      ON CONFLICT (id) DO UPDATE SET
        name = CASE WHEN p.name IS NOT DISTINCT FROM OLD.display_name THEN excluded.name ELSE p.name END,
        email = CASE WHEN p.email IN (OLD.email, login) AND TG_OP = 'UPDATE' THEN excluded.email ELSE p.email END,
        created_at = CASE WHEN p.created_at IS NOT DISTINCT FROM OLD.created_at THEN excluded.created_at ELSE p.created_at END;
    EXCEPTION
      WHEN unique_violation THEN
        -- Somebody else has that email: the login's own, or for a profile that is there the one that it has.
        BEGIN
          INSERT INTO public.profiles AS p (id, email, name, created_at) VALUES (NEW.id, fallback, NEW.display_name, NEW.created_at)
          ON CONFLICT (id) DO UPDATE SET
            name = CASE WHEN p.name IS NOT DISTINCT FROM OLD.display_name THEN excluded.name ELSE p.name END,
            created_at = CASE WHEN p.created_at IS NOT DISTINCT FROM OLD.created_at THEN excluded.created_at ELSE p.created_at END;
        EXCEPTION
          WHEN unique_violation OR not_null_violation THEN
            problem := 'email belongs to another profile';
          WHEN OTHERS THEN
            problem := SQLERRM;
        END;
      WHEN OTHERS THEN
        problem := SQLERRM;
    END;
  END IF;
  IF problem IS NOT NULL THEN
    INSERT INTO public.legacy_left_behind (source, key, reason) VALUES ('legacy_users', NEW.id::text, problem)
    ON CONFLICT (source, key) DO UPDATE SET reason = excluded.reason, noted_at = excluded.noted_at;
    RETURN NULL;
  END IF;
  DELETE FROM public.legacy_left_behind WHERE source = 'legacy_users' AND key = NEW.id::text;
  IF FOUND OR TG_OP = 'INSERT' THEN
    -- Sessions that had to wait for the profile.
    BEGIN
      INSERT INTO public.deliverables (id, user_id, client_name, html, created_at)
      SELECT session_id, user_id, client_name, rendered_html, created_at
      FROM public.legacy_sessions WHERE user_id = NEW.id AND rendered_html IS NOT NULL AND client_name IS NOT NULL
      ON CONFLICT (id) DO NOTHING;
      DELETE FROM public.legacy_left_behind AS b USING public.legacy_sessions AS s
      WHERE b.source = 'legacy_sessions' AND b.key = s.session_id AND s.user_id = NEW.id AND s.client_name IS NOT NULL;
      UPDATE public.legacy_left_behind AS b SET reason = 'no client name' FROM public.legacy_sessions AS s
      WHERE b.source = 'legacy_sessions' AND b.key = s.session_id AND s.user_id = NEW.id;
    EXCEPTION
      WHEN OTHERS THEN
        -- They stay named.
        NULL;
    END;
  END IF;
  RETURN NULL;
END;
$$;

CREATE FUNCTION public.carry_over_legacy_session() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
DECLARE
  ours text := CASE WHEN TG_OP = 'DELETE' THEN OLD.session_id ELSE NEW.session_id END;
  problem text;
BEGIN
  IF TG_OP = 'DELETE' OR NEW.rendered_html IS NULL THEN
    -- Gone, or rendered once and emptied since: there is no deliverable any more, and nothing to leave behind.
    NULL;
  ELSIF NEW.user_id IS NULL THEN
    problem := 'no user';
  ELSIF NOT EXISTS (SELECT FROM public.profiles WHERE id = NEW.user_id) THEN
    problem := 'its user has no profile';
  ELSIF NEW.client_name IS NULL THEN
    problem := 'no client name';
  ELSE
    BEGIN
      INSERT INTO public.deliverables AS d (id, user_id, client_name, html, created_at)
      VALUES (NEW.session_id, NEW.user_id, NEW.client_name, NEW.rendered_html, NEW.created_at)
      ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, client_name = excluded.client_name, html = excluded.html,
        created_at = excluded.created_at
      WHERE (d.user_id, d.client_name, d.html) IS NOT DISTINCT FROM (OLD.user_id, OLD.client_name, OLD.rendered_html);
      IF FOUND THEN
        DELETE FROM public.legacy_left_behind WHERE source = 'legacy_sessions' AND key = ours;
        RETURN NULL;
      END IF;
    EXCEPTION
      WHEN OTHERS THEN
        problem := SQLERRM;
    END;
  END IF;

  IF TG_OP <> 'INSERT' THEN
    DELETE FROM public.deliverables
    WHERE id = ours AND (user_id, client_name, html) IS NOT DISTINCT FROM (OLD.user_id, OLD.client_name, OLD.rendered_html);
  END IF;
  IF EXISTS (SELECT FROM public.deliverables WHERE id = ours) THEN
    problem := 'changed there; the new application has another deliverable of that id, which stays';
  END IF;
  IF problem IS NULL THEN
    DELETE FROM public.legacy_left_behind WHERE source = 'legacy_sessions' AND key = ours;
  ELSE
    INSERT INTO public.legacy_left_behind (source, key, reason) VALUES ('legacy_sessions', ours, problem)
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
