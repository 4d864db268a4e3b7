-- 004: the old system's users become profiles, and what it writes from now on is carried over.
BEGIN;

-- From this lock to the commit the old application can read and not write: every row is either copied below or carried
-- over by the triggers, none falls in between. The same order as the application's: sessions first.
LOCK TABLE public.legacy_sessions, public.legacy_users IN SHARE ROW EXCLUSIVE MODE;

-- What has no place in the new tables is named, so that nothing is lost in silence.
CREATE TABLE public.legacy_left_behind (
  source text NOT NULL CHECK (source IN ('legacy_users', 'legacy_sessions')),
  key text NOT NULL,
  reason text NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source, key)
);
COMMENT ON TABLE public.legacy_left_behind IS 'Rows of the old system that profiles and deliverables cannot take, and why';
ALTER TABLE public.legacy_left_behind ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON public.legacy_left_behind FROM anon, authenticated;

-- The guide's copy fails at the first account that auth.users does not know (foreign key), that has no email (NOT NULL) or
-- one that somebody else has (UNIQUE; its ON CONFLICT looks at id alone). Here an email goes to whom auth.users knows by
-- it, or else, if nobody logs in with it, to the oldest account.
INSERT INTO public.profiles (id, email, name, created_at)
SELECT DISTINCT ON (l.email) l.id, l.email, l.display_name, l.created_at
FROM public.legacy_users AS l
JOIN auth.users AS u ON u.id = l.id
LEFT JOIN (SELECT DISTINCT email FROM auth.users) AS login ON login.email = l.email
WHERE btrim(l.email) <> '' AND (login.email IS NULL OR u.email = l.email)
ORDER BY l.email, l.created_at, l.id
ON CONFLICT DO NOTHING;

-- The others get the email with which they log in, if nobody has it yet.
INSERT INTO public.profiles (id, email, name, created_at)
SELECT l.id, u.email, l.display_name, l.created_at
FROM public.legacy_users AS l
JOIN auth.users AS u ON u.id = l.id
WHERE btrim(u.email) <> '' AND NOT EXISTS (SELECT FROM public.profiles AS p WHERE p.id = l.id)
ORDER BY l.created_at, l.id
ON CONFLICT DO NOTHING;

INSERT INTO public.legacy_left_behind (source, key, reason)
SELECT 'legacy_users', l.id::text,
  CASE
    WHEN u.id IS NULL THEN 'no such user in auth.users'
    WHEN coalesce(btrim(l.email), '') = '' AND coalesce(btrim(u.email), '') = '' THEN 'no email, here or in auth.users'
    ELSE 'email belongs to another profile'
  END
FROM public.legacy_users AS l
LEFT JOIN auth.users AS u ON u.id = l.id
WHERE NOT EXISTS (SELECT FROM public.profiles AS p WHERE p.id = l.id);

-- Sessions are copied by 005; which of them cannot be is known now.
INSERT INTO public.legacy_left_behind (source, key, reason)
SELECT 'legacy_sessions', s.session_id,
  CASE WHEN s.user_id IS NULL THEN 'no user' WHEN p.id IS NULL THEN 'its user has no profile' ELSE 'no client name' END
FROM public.legacy_sessions AS s
LEFT JOIN public.profiles AS p ON p.id = s.user_id
WHERE s.rendered_html IS NOT NULL AND (p.id IS NULL OR s.client_name IS NULL);

\ir 004_carry_over.sql

ANALYZE public.profiles;

COMMIT;
