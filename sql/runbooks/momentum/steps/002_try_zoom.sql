-- Included by 002. Nobody has connected Zoom yet, so no verification could see whose tokens are open to whom. So two people
-- have some here and look; everything is gone again before the block ends, see 001_try_row_security.sql.
DO $try$
DECLARE
  people uuid[] := ARRAY(SELECT id FROM auth.users ORDER BY id LIMIT 2);
  who uuid;
  seen text;
  n bigint;
BEGIN
  IF cardinality(people) < 2 THEN
    RAISE NOTICE 'row security of zoom_credentials is not tried here: auth.users has fewer than two rows';
    RETURN;
  END IF;
  IF NOT (pg_has_role(current_user, 'authenticated', 'MEMBER') AND pg_has_role(current_user, 'anon', 'MEMBER')) THEN
    RAISE NOTICE 'row security of zoom_credentials is not tried here: we may not act as authenticated and anon';
    RETURN;
  END IF;

  BEGIN
    INSERT INTO public.profiles (id, email) SELECT id, id || '@try.invalid' FROM unnest(people) AS id;
    INSERT INTO public.zoom_credentials (user_id, access_token, refresh_token, expires_at) SELECT id, 'a', 'r', now() FROM unnest(people) AS id;
    FOREACH who IN ARRAY people || gen_random_uuid() LOOP
      PERFORM set_config('request.jwt.claims', json_build_object('sub', who, 'role', 'authenticated')::text, true);
      SET LOCAL ROLE authenticated;
      SELECT count(*)::text || count(*) FILTER (WHERE user_id = who) INTO seen FROM public.zoom_credentials;
      UPDATE public.zoom_credentials SET access_token = 'x';
      GET DIAGNOSTICS n = ROW_COUNT;
      RESET ROLE;
      IF seen || n <> (CASE WHEN who = ANY (people) THEN '111' ELSE '000' END) THEN
        RAISE EXCEPTION 'row security: user % of % sees, has and changes "%" Zoom credentials', who, people, seen || n;
      END IF;
    END LOOP;
    RAISE EXCEPTION USING ERRCODE = 'LS001', MESSAGE = 'tried';
  EXCEPTION
    WHEN SQLSTATE 'LS001' THEN
      NULL;
  END;
END
$try$;
