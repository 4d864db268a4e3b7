-- Included by 003. No file is in the two buckets yet that a verification could look for. So two users and a visitor
-- upload here and look; everything is gone again before the block ends, see 001_try_row_security.sql.
DO $try$
DECLARE
  one uuid := '00000000-0000-4000-8000-00000000000a';
  other uuid := '00000000-0000-4000-8000-00000000000b';
  attempt record;
  may boolean;
  seen bigint;
BEGIN
  IF NOT (pg_has_role(current_user, 'authenticated', 'MEMBER') AND pg_has_role(current_user, 'anon', 'MEMBER')) THEN
    RAISE NOTICE 'the storage policies are not tried here: we may not act as authenticated and anon';
    RETURN;
  END IF;

  BEGIN
    FOR attempt IN
      SELECT * FROM (VALUES
        ('authenticated', one, 'logos', 'one.svg', true),
        ('authenticated', other, 'logos', 'o/ther.svg', true),
        ('anon', NULL, 'logos', 'visitor.svg', false),
        ('authenticated', one, 'private', one || '/a/b.pdf', true),
        ('authenticated', other, 'private', other || '/c.pdf', true),
        ('authenticated', one, 'private', other || '/d.pdf', false),
        ('authenticated', one, 'private', 'e.pdf', false),
        ('authenticated', one, 'private', 'f/' || one || '/g.pdf', false),
        ('anon', NULL, 'private', 'h/i.pdf', false)
      ) AS upload (role, who, bucket, name, may)
    LOOP
      PERFORM set_config('request.jwt.claims', json_build_object('sub', attempt.who, 'role', attempt.role)::text, true);
      BEGIN
        PERFORM set_config('role', attempt.role, true);
        INSERT INTO storage.objects (bucket_id, name) VALUES (attempt.bucket, attempt.name);
        may := true;
      EXCEPTION
        WHEN insufficient_privilege THEN
          may := false;
      END;
      RESET ROLE;
      IF may <> attempt.may THEN
        RAISE EXCEPTION 'storage policies: % as % may upload % to %: %', attempt.who, attempt.role, attempt.name, attempt.bucket, may;
      END IF;
    END LOOP;

    FOR attempt IN
      SELECT * FROM (VALUES ('authenticated', one, 3), ('authenticated', other, 3), ('anon', NULL, 2)) AS look (role, who, due)
    LOOP
      PERFORM set_config('request.jwt.claims', json_build_object('sub', attempt.who, 'role', attempt.role)::text, true);
      PERFORM set_config('role', attempt.role, true);
      SELECT count(*) INTO seen FROM storage.objects WHERE bucket_id IN ('logos', 'private');
      RESET ROLE;
      IF seen <> attempt.due THEN
        RAISE EXCEPTION 'storage policies: % as % sees % files instead of %', attempt.who, attempt.role, seen, attempt.due;
      END IF;
    END LOOP;
    RAISE EXCEPTION USING ERRCODE = 'LS001', MESSAGE = 'tried';
  EXCEPTION
    WHEN SQLSTATE 'LS001' THEN
      NULL;
  END;
END
$try$;
