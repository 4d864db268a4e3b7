-- Included by 001. Makes two organizations with an owner, an admin, a member and a viewer, asks as each of them, as a
-- stranger and as nobody, and takes everything back: the inner block ends with an error of its own, which is caught.
DO $try$
DECLARE
  -- Made up: the key to auth.users comes after this.
  people uuid[] := ARRAY(SELECT gen_random_uuid() FROM generate_series(1, 5));
  ours uuid := gen_random_uuid();
  theirs uuid := gen_random_uuid();
  who text;
  seen text;
  due text;
  n bigint;
BEGIN
  IF NOT (pg_has_role(current_user, 'authenticated', 'MEMBER') AND pg_has_role(current_user, 'anon', 'MEMBER')) THEN
    RAISE NOTICE 'row security is not tried here: we may not act as authenticated and anon';
    RETURN;
  END IF;

  BEGIN
    INSERT INTO public.profiles (id, email) SELECT id, id || '@try.invalid' FROM unnest(people) AS id;
    INSERT INTO public.organizations (id, name, slug) VALUES (ours, 'ours', ours::text), (theirs, 'theirs', theirs::text);
    INSERT INTO public.organization_members (user_id, organization_id, role) VALUES
      (people[1], ours, 'owner'), (people[2], ours, 'admin'), (people[3], ours, 'member'), (people[4], ours, 'viewer'),
      (people[1], theirs, 'owner');
    INSERT INTO public.deliverables (id, user_id, client_name, html)
      SELECT 'try ' || id, id, 'client', 'html' FROM unnest(people) AS id;
    INSERT INTO public.brand_settings (user_id) SELECT unnest(people) UNION ALL SELECT NULL;

    -- What each sees and may change: organizations, members, deliverables, brand settings (the default among them), profiles;
    -- organizations changed, members changed, default brand settings changed.
    FOR who, due IN
      SELECT * FROM (VALUES
        (people[1]::text, '2 5 1 2 1, 2 5 0'),
        (people[2]::text, '1 4 1 2 1, 1 4 0'),
        (people[3]::text, '1 4 1 2 1, 0 0 0'),
        (people[4]::text, '1 4 1 2 1, 0 0 0'),
        (people[5]::text, '0 0 1 2 1, 0 0 0')
      ) AS wanted
    LOOP
      PERFORM set_config('request.jwt.claims', json_build_object('sub', who, 'role', 'authenticated')::text, true);
      SET LOCAL ROLE authenticated;
      SELECT concat_ws(' ', (SELECT count(*) FROM public.organizations), (SELECT count(*) FROM public.organization_members),
        (SELECT count(*) FROM public.deliverables), (SELECT count(*) FROM public.brand_settings),
        (SELECT count(*) FROM public.profiles)) || ',' INTO seen;
      UPDATE public.organizations SET logo_url = 'x';
      GET DIAGNOSTICS n = ROW_COUNT;
      seen := seen || ' ' || n;
      UPDATE public.organization_members SET updated_at = now();
      GET DIAGNOSTICS n = ROW_COUNT;
      seen := seen || ' ' || n;
      UPDATE public.brand_settings SET logo_url = 'x' WHERE user_id IS NULL;
      GET DIAGNOSTICS n = ROW_COUNT;
      seen := seen || ' ' || n;
      RESET ROLE;
      IF seen <> due THEN
        RAISE EXCEPTION 'row security: user % of % sees and changes "%" instead of "%"', array_position(people, who::uuid), people, seen, due;
      END IF;
    END LOOP;

    PERFORM set_config('request.jwt.claims', '', true);
    SET LOCAL ROLE anon;
    SELECT count(*) INTO n FROM public.brand_settings;
    RESET ROLE;
    IF n <> 1 THEN
      RAISE EXCEPTION 'row security: who is not logged in sees % brand settings instead of the default', n;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'LS001', MESSAGE = 'tried';
  EXCEPTION
    WHEN SQLSTATE 'LS001' THEN
      NULL;
  END;
END
$try$;
