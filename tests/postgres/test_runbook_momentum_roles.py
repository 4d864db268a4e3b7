"""The runbook momentum's functions, constraints and row security as each role, and the old system's rows."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from conftest import INSTALLATIONS, Servers
from momentum import (
    STEPS,
    TABLES,
    Cursor,
    acting,
    after_it,
    back,
    before_it,
    forward,
    person,
    refused,
    text_of,
    transaction,
    value,
)
from runbooks import one

Psql = Callable[..., str]


@pytest.fixture
def before(database_each: str, psql: Psql) -> str:
    """The DSN of the database before the migration, on every server in turn."""
    return before_it(database_each, psql)


@pytest.fixture(scope="module", params=list(INSTALLATIONS))
def after(request: pytest.FixtureRequest, servers: Servers) -> Iterator[str]:
    """The DSN of a migrated database, on every server in turn, for tests that leave it as it is."""
    with after_it(servers.get(INSTALLATIONS[request.param])) as dsn:
        yield dsn


# The functions and constraints of 001 and 002


def test_cleanup_removes_what_expired_more_than_seven_days_ago(after: str) -> None:
    with transaction(after) as cursor:
        cursor.execute(
            b"INSERT INTO zoom_credentials (user_id, access_token, refresh_token, expires_at, zoom_email)"
            b" SELECT p.id, 'a', 'r', now() - age::interval, age FROM unnest(ARRAY['-1 hour', '0', '6 days 23:59:59',"
            b" '7 days', '7 days 00:00:01', '1 year']) WITH ORDINALITY AS t (age, n)"
            b" JOIN (SELECT id, row_number() OVER (ORDER BY id) AS n FROM profiles) AS p USING (n)"
        )
        left = "SELECT string_agg(zoom_email, ', ' ORDER BY expires_at) FROM zoom_credentials"
        for role in ("anon", "authenticated"):
            with acting(cursor, None, role):
                refused(cursor, "SELECT cleanup_expired_zoom_tokens()", psycopg.errors.InsufficientPrivilege)
        cursor.execute("SAVEPOINT owner")
        assert value(cursor, "SELECT cleanup_expired_zoom_tokens()") == ""
        assert value(cursor, left) == "7 days, 6 days 23:59:59, 0, -1 hour"
        cursor.execute("ROLLBACK TO SAVEPOINT owner")
        with acting(cursor, None, "service_role"):
            assert value(cursor, "SELECT cleanup_expired_zoom_tokens()") == ""
        assert value(cursor, left) == "7 days, 6 days 23:59:59, 0, -1 hour"


def test_constraints_refuse_what_they_must(after: str) -> None:
    unique, check = psycopg.errors.UniqueViolation, psycopg.errors.CheckViolation
    null, foreign = psycopg.errors.NotNullViolation, psycopg.errors.ForeignKeyViolation
    with transaction(after) as cursor:
        cursor.execute(
            "INSERT INTO auth.users (id) VALUES (md5('a')::uuid);"
            " INSERT INTO organizations (id, name, slug) VALUES (md5('o')::uuid, 'O', 'o');"
            f" INSERT INTO organization_members (organization_id, user_id, role)"
            f" VALUES (md5('o')::uuid, {person(1)}, 'viewer');"
            f" INSERT INTO zoom_credentials (user_id, access_token, refresh_token, expires_at)"
            f" VALUES ({person(1)}, 'a', 'r', now())".encode()
        )
        member = "INSERT INTO organization_members (organization_id, user_id, role) VALUES (md5('o')::uuid, {}, '{}')"
        zoom = (
            "INSERT INTO zoom_credentials (user_id, access_token, refresh_token, expires_at) VALUES ({}, 'a', {}, {})"
        )
        deliverable = "INSERT INTO deliverables (id, user_id, client_name, html) VALUES ({}, {}, {}, {})"
        for statement, error in (
            (
                f"INSERT INTO profiles (id, email) SELECT md5('a')::uuid, email FROM profiles WHERE id = {person(1)}",
                unique,
            ),
            ("INSERT INTO profiles (id) VALUES (md5('a')::uuid)", null),
            ("INSERT INTO profiles (id, email) VALUES (md5('nobody')::uuid, 'n@example.com')", foreign),
            ("INSERT INTO organizations (name, slug) VALUES ('', 'p')", check),
            ("INSERT INTO organizations (name, slug) VALUES ('P', 'o')", unique),
            ("INSERT INTO organizations (name) VALUES ('P')", null),
            (member.format(person(2), "boss"), check),
            (member.format(person(1), "owner"), unique),
            (member.format("md5('nobody')::uuid", "owner"), foreign),
            (zoom.format(person(1), "'r'", "now()"), unique),
            (zoom.format(person(2), "NULL", "now()"), null),
            (zoom.format(person(2), "'r'", "NULL"), null),
            (deliverable.format("'d1'", "NULL", "'c'", "'h'"), null),
            (deliverable.format("'d1'", "md5('nobody')::uuid", "'c'", "'h'"), foreign),
            (deliverable.format("'d1'", person(1), "NULL", "'h'"), null),
            (deliverable.format("(SELECT min(id) FROM deliverables)", person(1), "'c'", "'h'"), unique),
            ("INSERT INTO brand_settings (user_id) VALUES (md5('nobody')::uuid)", foreign),
        ):
            refused(cursor, statement, error)
        assert cursor.execute(
            f"INSERT INTO brand_settings (user_id) VALUES ({person(1)})"
            " RETURNING primary_color, secondary_color".encode()
        ).fetchone() == ("#2A3EB1", "#4C6FE7")
        # Whoever leaves Supabase's login leaves everything.
        cursor.execute(f"DELETE FROM auth.identities; DELETE FROM auth.users WHERE id = {person(1)}".encode())
        for name in ("deliverables", "organization_members", "brand_settings", "zoom_credentials"):
            assert value(cursor, f"SELECT count(*) FROM {name} WHERE user_id = {person(1)}") == 0


# Row security


@contextmanager
def organizations(dsn: str) -> Iterator[tuple[Cursor, dict[str, str]]]:
    """Two organizations with people in every role, a stranger, and everybody's own things."""
    with transaction(dsn) as cursor:
        found = cursor.execute("SELECT id::text FROM profiles ORDER BY id LIMIT 6").fetchall()
        names = ("owner", "admin", "member", "viewer", "stranger", "other")
        people = {name: str(row[0]) for name, row in zip(names, found, strict=True)}
        cursor.execute(
            "INSERT INTO organizations (id, name, slug) VALUES (md5('a')::uuid, 'A', 'a'), (md5('b')::uuid, 'B', 'b')"
        )
        for name, role in people.items():
            if name == "stranger":
                continue
            organization, role = ("b", "owner") if name == "other" else ("a", name)
            cursor.execute(
                "INSERT INTO organization_members (organization_id, user_id, role) VALUES (md5(%s)::uuid, %s, %s)",
                (organization, people[name], role),
            )
        cursor.execute("DELETE FROM deliverables")
        for person in people.values():
            cursor.execute(
                "INSERT INTO deliverables (id, user_id, client_name, html) VALUES (%s, %s, 'c', 'h')", (person, person)
            )
            cursor.execute("INSERT INTO brand_settings (user_id) VALUES (%s)", (person,))
            cursor.execute(
                "INSERT INTO zoom_credentials (user_id, access_token, refresh_token, expires_at)"
                " VALUES (%s, 'a', 'r', now())",
                (person,),
            )
        cursor.execute("INSERT INTO brand_settings (user_id) VALUES (NULL)")
        yield cursor, people


def counts(cursor: Cursor) -> list[object]:
    return [value(cursor, f"SELECT count(*) FROM {table}") for table in TABLES]


@pytest.mark.parametrize("planned", ["as a query", "as a prepared statement"])
def test_each_sees_what_they_should(after: str, planned: str) -> None:
    with organizations(after) as (cursor, people):
        if planned == "as a prepared statement":
            cursor.connection.prepare_threshold = 0
        for name, organization, members in (
            ("owner", 1, 4),
            ("admin", 1, 4),
            ("member", 1, 4),
            ("viewer", 1, 4),
            ("stranger", 0, 0),
            ("other", 1, 1),
        ):
            with acting(cursor, people[name]):
                assert counts(cursor) == [1, 1, organization, members, 2, 1], name
                managed = value(cursor, "SELECT count(*) FROM my_managed_organizations()")
                assert managed == (name in ("owner", "admin", "other")), name
                assert value(cursor, "SELECT count(*) FROM my_organizations()") == organization
        with acting(cursor, "00000000-0000-4000-8000-00000000dead"):
            assert counts(cursor) == [0, 0, 0, 0, 1, 0]
        with acting(cursor, None, "service_role"):
            assert value(cursor, "SELECT count(*) FROM organization_members") == 5
        with acting(cursor, None, "anon"):
            assert value(cursor, "SELECT count(*) FROM brand_settings") == 1
            for table in set(TABLES) - {"brand_settings"}:
                refused(cursor, f"SELECT FROM {table}", psycopg.errors.InsufficientPrivilege)


def test_each_changes_what_they_should(after: str) -> None:
    denied = psycopg.errors.InsufficientPrivilege
    changes = (
        "UPDATE organizations SET logo_url = 'x'",
        "UPDATE organization_members SET updated_at = now()",
        "DELETE FROM organization_members WHERE role = 'viewer'",
    )
    with organizations(after) as (cursor, people):
        add = (
            "INSERT INTO organization_members (organization_id, user_id, role)"
            f" VALUES (md5('a')::uuid, '{people['stranger']}', '{{}}')"
        )
        for name, changed in (
            ("owner", [1, 4, 1]),
            ("admin", [1, 4, 1]),
            ("member", [0, 0, 0]),
            ("viewer", [0, 0, 0]),
            ("stranger", [0, 0, 0]),
            ("other", [1, 1, 0]),
        ):
            cursor.execute("SAVEPOINT turn")
            with acting(cursor, people[name]):
                assert [cursor.execute(change).rowcount for change in changes] == changed, name
                if name in ("owner", "admin"):
                    assert cursor.execute(add.format("member")).rowcount == 1
                else:
                    refused(cursor, add.format("owner"), denied)
                # Own things alone, and nothing in somebody else's name.
                assert cursor.execute("UPDATE profiles SET name = 'x'").rowcount == 1
                refused(cursor, f"UPDATE profiles SET id = '{people['owner' if name != 'owner' else 'admin']}'", denied)
                assert cursor.execute("UPDATE deliverables SET html = 'x'").rowcount == 1
                assert cursor.execute("DELETE FROM zoom_credentials").rowcount == 1
                for table in ("deliverables", "brand_settings", "zoom_credentials"):
                    given = "UPDATE {} SET user_id = (SELECT md5('x')::uuid)"
                    if table != "zoom_credentials":
                        refused(cursor, given.format(table) + " WHERE user_id IS NOT NULL", denied)
                # The default belongs to nobody: by the guide's policy anybody could do all three.
                assert cursor.execute("UPDATE brand_settings SET logo_url = 'x'").rowcount == 1
                assert cursor.execute("DELETE FROM brand_settings WHERE user_id IS NULL").rowcount == 0
                refused(cursor, "INSERT INTO brand_settings (user_id) VALUES (NULL)", denied)
                # What is the backend's.
                refused(cursor, "INSERT INTO organizations (name, slug) VALUES ('C', 'c')", denied)
                refused(cursor, "INSERT INTO profiles (id, email) VALUES (gen_random_uuid(), 'x')", denied)
                refused(cursor, "TRUNCATE deliverables", denied)
                refused(cursor, "SELECT FROM legacy_left_behind", denied)
            cursor.execute("ROLLBACK TO SAVEPOINT turn")
        with acting(cursor, None, "anon"):
            refused(cursor, "UPDATE brand_settings SET logo_url = 'x'", denied)
            refused(cursor, "DELETE FROM brand_settings", denied)


def test_the_guides_policies_call_themselves_without_end(after: str) -> None:
    with organizations(after) as (cursor, people):
        cursor.execute(
            """
            ALTER POLICY "Members can view org membership" ON organization_members USING (organization_id IN (
              SELECT organization_id FROM organization_members WHERE user_id = auth.uid()));
            ALTER POLICY "Members can view organization" ON organizations USING (id IN (
              SELECT organization_id FROM organization_members WHERE user_id = auth.uid()));
            """
        )
        with acting(cursor, people["member"]):
            for table in ("organization_members", "organizations"):
                told = refused(cursor, f"SELECT FROM {table}", psycopg.errors.InvalidObjectDefinition)
                assert 'infinite recursion detected in policy for relation "organization_members"' in told


def test_files_as_a_user_another_and_a_visitor(after: str) -> None:
    denied = psycopg.errors.InsufficientPrivilege
    one_, other = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
    put = "INSERT INTO storage.objects (bucket_id, name) VALUES ('{}', '{}')"
    see = (
        "SELECT string_agg(bucket_id || ' ' || name, ', ' ORDER BY name) FROM storage.objects"
        " WHERE bucket_id IN ('logos', 'private')"
    )
    with transaction(after) as cursor:
        with acting(cursor, one_):
            cursor.execute(put.format("logos", "a.svg").encode())
            cursor.execute(put.format("private", f"{one_}/b.pdf").encode())
            refused(cursor, put.format("private", f"{other}/c.pdf"), denied)
            refused(cursor, put.format("private", "d.pdf"), denied)
            refused(cursor, put.format("private", f"x/{one_}/e.pdf"), denied)
            assert value(cursor, see) == f"private {one_}/b.pdf, logos a.svg"
            # The guide lets nobody replace or delete a file: that is for the backend.
            assert (
                cursor.execute("UPDATE storage.objects SET name = 'z' WHERE bucket_id IN ('logos', 'private')").rowcount
                == 0
            )
        with acting(cursor, other):
            assert value(cursor, see) == "logos a.svg"
        with acting(cursor, None, "anon"):
            assert value(cursor, see) == "logos a.svg"
            refused(cursor, put.format("logos", "f.svg"), denied)
            refused(cursor, put.format("private", "g.pdf"), denied)


def test_the_steps_stop_where_row_security_would_be_wrong(before: str, psql: Psql) -> None:
    """001 and 003 try it as the roles concerned; here a policy lets too much through."""
    psql(before, 'CREATE POLICY "Everything" ON storage.objects FOR SELECT USING (true)')
    forward(before, psql, 2)
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        psql(before, STEPS[2])
    assert "storage policies: " in stopped.value.stderr
    assert one(before, "SELECT count(*) FROM storage.buckets WHERE id = 'logos'") == 0
    back(before, psql, 2)
    # Two superfluous lines of the script, and it would let a stranger in.
    script = text_of(1)
    for words, looser in (
        ("USING (id IN (SELECT public.my_organizations()))", "USING (true)"),
        ("user_id = (SELECT auth.uid()) AND role IN ('owner', 'admin')", "user_id = (SELECT auth.uid())"),
        (
            'FOR ALL USING ((SELECT auth.uid()) = user_id);\nCREATE POLICY "Everybody',
            'FOR ALL USING (true);\nCREATE POLICY "Everybody',
        ),
    ):
        assert words in script
        with (
            psycopg.connect(before) as connection,
            pytest.raises(psycopg.errors.RaiseException, match="row security: "),
        ):
            connection.execute(script.replace(words, looser).encode())
    assert one(before, "SELECT to_regclass('profiles') IS NULL") is True


# The old system's rows


def test_the_guides_copy_fails_where_ours_does_not(after: str) -> None:
    copy = (
        "INSERT INTO profiles (id, email, name, created_at)"
        " SELECT id, email, display_name, created_at FROM legacy_users AS l {} ON CONFLICT (id) DO NOTHING"
    )
    known = "WHERE EXISTS (SELECT FROM auth.users AS u WHERE u.id = l.id)"
    sessions = (
        "INSERT INTO deliverables (id, user_id, client_name, html, created_at)"
        " SELECT session_id, user_id, client_name, rendered_html, created_at FROM legacy_sessions"
        " WHERE rendered_html IS NOT NULL {}"
    )
    with transaction(after) as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica; DELETE FROM deliverables; DELETE FROM profiles")
        cursor.execute("SET LOCAL session_replication_role = origin")
        refused(
            cursor,
            copy.format("WHERE email IS NOT NULL AND id = md5('nobody-1')::uuid"),
            psycopg.errors.ForeignKeyViolation,
        )
        refused(cursor, copy.format(known), psycopg.errors.NotNullViolation)
        refused(cursor, copy.format(known + " AND email IS NOT NULL"), psycopg.errors.UniqueViolation)
        refused(cursor, sessions.format("AND user_id IS NULL"), psycopg.errors.NotNullViolation)
        refused(
            cursor, sessions.format("AND client_name IS NULL AND user_id IS NOT NULL"), psycopg.errors.NotNullViolation
        )
        refused(
            cursor,
            sessions.format("AND client_name IS NOT NULL AND user_id IS NOT NULL"),
            psycopg.errors.ForeignKeyViolation,
        )


def test_nothing_of_the_old_system_is_lost_in_silence(after: str) -> None:
    with transaction(after) as cursor:
        left = cursor.execute(
            "SELECT source, reason, count(*) > 0 FROM legacy_left_behind GROUP BY source, reason ORDER BY 1, 2"
        ).fetchall()
        assert left == [
            ("legacy_sessions", "its user has no profile", True),
            ("legacy_sessions", "no client name", True),
            ("legacy_sessions", "no user", True),
            ("legacy_users", "email belongs to another profile", True),
            ("legacy_users", "no email, here or in auth.users", True),
            ("legacy_users", "no such user in auth.users", True),
        ]
        assert value(cursor, "SELECT count(*) FROM legacy_users") == value(
            cursor,
            "SELECT (SELECT count(*) FROM profiles)"
            " + (SELECT count(*) FROM legacy_left_behind WHERE source = 'legacy_users')",
        )
        assert value(cursor, "SELECT count(*) FROM legacy_sessions WHERE rendered_html IS NOT NULL") == value(
            cursor,
            "SELECT (SELECT count(*) FROM deliverables)"
            " + (SELECT count(*) FROM legacy_left_behind WHERE source = 'legacy_sessions')",
        )
        # No email, so that of the login; somebody else's email, so that of the login; as it was typed.
        emails = cursor.execute(
            f"SELECT l.email, p.email FROM profiles AS p JOIN legacy_users AS l USING (id)"
            f" WHERE id IN ({person(58)}, {person(31)}, {person(41)}, {person(43)})".encode()
        ).fetchall()
        assert set(emails) == {
            (None, "user58@momentum.example"),
            ("  ", "user31@momentum.example"),
            ("user40@momentum.example", "user41@momentum.example"),
            ("User43@Momentum.Example", "User43@Momentum.Example"),
        }


def test_what_the_old_application_writes_is_carried_over(after: str) -> None:
    profile = "SELECT email, name FROM profiles WHERE id = md5('new')::uuid"
    deliverable = "SELECT client_name, html FROM deliverables WHERE id = 'new'"
    reason = "SELECT reason FROM legacy_left_behind WHERE key IN ('new', md5('new')::uuid::text)"
    with transaction(after) as cursor:
        cursor.execute("SET LOCAL ROLE legacy_app")
        cursor.execute(
            "INSERT INTO legacy_users (id, email, display_name) VALUES (md5('new')::uuid, 'new@example.com', 'New')"
        )
        cursor.execute("RESET ROLE")
        assert cursor.execute(reason).fetchall() == [("no such user in auth.users",)]
        cursor.execute("INSERT INTO auth.users (id, email) VALUES (md5('new')::uuid, 'login@example.com')")
        cursor.execute("UPDATE legacy_users SET email = email WHERE id = md5('new')::uuid")
        assert cursor.execute(profile).fetchone() == ("new@example.com", "New")
        assert cursor.execute(reason).fetchall() == []
        for change, found in (
            ("display_name = 'Newer', email = NULL", ("login@example.com", "Newer")),
            ("display_name = 'Newest', email = 'user1@momentum.example'", ("login@example.com", "Newest")),
            ("email = 'again@example.com'", ("again@example.com", "Newest")),
        ):
            cursor.execute(f"UPDATE legacy_users SET {change} WHERE id = md5('new')::uuid".encode())
            assert cursor.execute(profile).fetchone() == found

        cursor.execute(
            "INSERT INTO legacy_sessions (session_id, user_id, client_name) VALUES ('new', md5('new')::uuid, 'C')"
        )
        assert cursor.execute(deliverable).fetchone() is None
        sessions: list[tuple[str, tuple[str, str] | None, list[tuple[str]]]] = [
            ("rendered_html = 'one'", ("C", "one"), []),
            ("rendered_html = 'two', client_name = 'D'", ("D", "two"), []),
            ("client_name = NULL", None, [("no client name",)]),
            ("client_name = 'E'", ("E", "two"), []),
            ("user_id = NULL", None, [("no user",)]),
            ("user_id = md5('nobody')::uuid", None, [("its user has no profile",)]),
            ("user_id = md5('new')::uuid", ("E", "two"), []),
            ("rendered_html = NULL", None, []),
            ("rendered_html = 'three'", ("E", "three"), []),
        ]
        for change, carried, why in sessions:
            cursor.execute(f"UPDATE legacy_sessions SET {change} WHERE session_id = 'new'".encode())
            assert cursor.execute(deliverable).fetchone() == carried, change
            assert cursor.execute(reason).fetchall() == why, change
        cursor.execute("DELETE FROM legacy_sessions WHERE session_id = 'new'")
        assert cursor.execute(deliverable).fetchone() is None
        cursor.execute("DELETE FROM legacy_users WHERE id = md5('new')::uuid")
        assert cursor.execute(profile).fetchone() is None
        # Whatever goes wrong over there, the old application's own statement gets through.
        cursor.execute("ALTER TABLE deliverables ADD CHECK (html <> 'bad')")
        cursor.execute(
            "INSERT INTO legacy_sessions (session_id, user_id, client_name, rendered_html)"
            f" VALUES ('new', {person(1)}, 'C', 'bad')".encode()
        )
        assert 'violates check constraint "deliverables_html_check"' in str(value(cursor, reason))
