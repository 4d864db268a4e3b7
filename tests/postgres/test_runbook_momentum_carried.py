"""The runbook momentum beside applications that write: what is carried over, and what nobody may lose."""

from collections.abc import Callable, Iterator
from threading import Thread

import psycopg
import pytest
from conftest import INSTALLATIONS, Servers
from momentum import ROOT, STEPS, Cursor, after_it, back, before_it, forward, person, text_of, transaction, value
from runbooks import one, rows

from tui.runbook.load import load

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


# What the new application has made or changed is left alone


def reasons(cursor: Cursor) -> list[object]:
    found = cursor.execute("SELECT reason FROM legacy_left_behind WHERE reason LIKE '% there; %' ORDER BY reason")
    return [row[0] for row in found.fetchall()]


@pytest.mark.parametrize(
    "used",
    [
        f"INSERT INTO deliverables (id, user_id, client_name, html) VALUES ('made', {person(4)}, 'c', 'h')",
        "UPDATE deliverables SET html = 'changed' WHERE id = (SELECT min(id) FROM deliverables"
        f" WHERE user_id = {person(4)})",
        "WITH made AS (INSERT INTO organizations (name, slug) VALUES ('O', 'o') RETURNING id)"
        f" INSERT INTO organization_members (organization_id, user_id, role) SELECT id, {person(4)}, 'owner' FROM made",
        f"INSERT INTO brand_settings (user_id) VALUES ({person(4)})",
        "INSERT INTO zoom_credentials (user_id, access_token, refresh_token, expires_at)"
        f" VALUES ({person(4)}, 'a', 'r', now())",
        f"UPDATE profiles SET name = 'Changed' WHERE id = {person(4)}",
    ],
)
def test_a_user_deleted_in_the_old_system_takes_nothing_of_the_new_one_along(after: str, used: str) -> None:
    every = "SELECT (SELECT count(*) FROM profiles) + (SELECT count(*) FROM deliverables)"
    with transaction(after) as cursor:
        cursor.execute(used.encode())
        there = value(cursor, every)
        cursor.execute(f"DELETE FROM legacy_users WHERE id = {person(4)}".encode())
        assert value(cursor, every) == there
        assert reasons(cursor) == ["deleted there; the new application uses the profile, which stays"]


def test_a_user_whom_only_the_old_system_has_goes_with_it_and_sessions_are_named(after: str) -> None:
    with transaction(after) as cursor:
        copies = value(cursor, f"SELECT count(*) FROM deliverables WHERE user_id = {person(4)}")
        assert copies
        cursor.execute(f"DELETE FROM legacy_users WHERE id = {person(4)}".encode())
        assert value(cursor, f"SELECT count(*) FROM profiles WHERE id = {person(4)}") == 0
        named = "SELECT count(*) FROM legacy_left_behind AS b JOIN legacy_sessions AS s ON s.session_id = b.key"
        assert value(cursor, f"{named} WHERE user_id = {person(4)} AND reason = 'its user has no profile'") == copies
        assert cursor.execute((ROOT / "verify" / "legacy_sessions.sql").read_bytes()).fetchall() == []


def test_what_the_new_application_changed_the_old_one_does_not_change_back(after: str) -> None:
    mine = (
        "SELECT min(session_id) FROM legacy_sessions AS s JOIN deliverables AS d ON d.id = s.session_id"
        f" WHERE s.user_id = {person(4)} AND html <> ''"
    )
    with transaction(after) as cursor:
        key = value(cursor, mine)
        assert key is not None
        cursor.execute("UPDATE deliverables SET html = 'new' WHERE id = %s", (key,))
        cursor.execute(
            f"UPDATE profiles SET name = 'New', email = 'new@example.com' WHERE id = {person(4)};"
            f" UPDATE legacy_users SET display_name = 'Old', email = 'old@example.com' WHERE id = {person(4)}".encode()
        )
        assert cursor.execute(f"SELECT name, email FROM profiles WHERE id = {person(4)}".encode()).fetchall() == [
            ("New", "new@example.com")
        ]
        for change in (
            b"UPDATE legacy_sessions SET rendered_html = 'old' WHERE session_id = %s",
            b"UPDATE legacy_sessions SET user_id = NULL WHERE session_id = %s",
            b"UPDATE legacy_sessions SET rendered_html = NULL WHERE session_id = %s",
            b"DELETE FROM legacy_sessions WHERE session_id = %s",
        ):
            cursor.execute(change, (key,))
            assert cursor.execute("SELECT html FROM deliverables WHERE id = %s", (key,)).fetchall() == [("new",)]
            assert reasons(cursor) == [
                "changed there; the new application has another deliverable of that id, which stays"
            ]


def test_a_profile_of_the_new_application_is_not_replaced(after: str) -> None:
    """As the guide's ON CONFLICT (id) DO NOTHING has it."""
    with transaction(after) as cursor:
        cursor.execute(
            "INSERT INTO auth.users (id, email) VALUES (md5('n')::uuid, 'n@example.com');"
            " INSERT INTO profiles (id, email, name) VALUES (md5('n')::uuid, 'n@example.com', 'New');"
            " INSERT INTO legacy_users (id, email, display_name) VALUES (md5('n')::uuid, 'o@example.com', 'Old')"
        )
        found = cursor.execute("SELECT email, name FROM profiles WHERE id = md5('n')::uuid").fetchall()
        assert found == [("n@example.com", "New")]


# Whose email it is, and sessions whose user comes later


def test_an_email_goes_to_whom_it_logs_in(before: str, psql: Psql) -> None:
    """Somebody else has it in the old system, where its owner has none, or no account at all."""
    psql(
        before,
        """
        INSERT INTO auth.users (id, email)
          SELECT md5(n)::uuid, n || '@login.example' FROM unnest(ARRAY['a', 'b', 'c', 'd']) AS n;
        INSERT INTO legacy_users (id, email, created_at) VALUES
          (md5('a')::uuid, 'b@login.example', '2020-01-01'), (md5('b')::uuid, NULL, '2021-01-01'),
          (md5('c')::uuid, 'd@login.example', '2020-01-01');
        """,
    )
    found = psql(before, ROOT / "checks" / "legacy_users.sql")
    assert "email of somebody else's login: gets that of the login|" in found
    forward(before, psql, 4)
    emails = "SELECT email FROM profiles WHERE id IN (md5('a')::uuid, md5('b')::uuid, md5('c')::uuid) ORDER BY 1"
    due = [("a@login.example",), ("b@login.example",), ("c@login.example",)]
    assert rows(before, emails) == due
    assert psql(before, ROOT / "verify" / "legacy_users.sql") == ""
    psql(before, "UPDATE legacy_users SET email = 'd@login.example' WHERE id = md5('a')::uuid")
    assert rows(before, emails) == due


def test_sessions_follow_a_user_who_becomes_a_profile_later(before: str, psql: Psql) -> None:
    """Between 004 and 005, and after it, somebody who was left behind gets an email."""
    forward(before, psql, 4)
    late = (
        "SELECT id FROM legacy_users AS l JOIN legacy_left_behind AS b ON b.key = l.id::text WHERE reason ~ '^no email'"
    )
    sessions = f"SELECT count(*) FROM legacy_sessions WHERE rendered_html <> '' AND user_id IN ({late})"
    assert one(before, sessions)
    give = "UPDATE legacy_users SET email = 'late-' || id || '@example.com' WHERE id IN ({} ORDER BY id LIMIT {})"
    psql(before, give.format(late, 4))
    psql(before, STEPS[4])
    for more in (0, 100):
        psql(before, give.format(late, more))
        for name in ("legacy_sessions", "legacy_users"):
            assert psql(before, ROOT / "verify" / f"{name}.sql") == ""
        assert psql(before, ROOT / "verify" / "sums.sql").startswith("t|")
    assert one(before, sessions) == 0


def test_who_logs_in_by_telephone_keeps_the_email_of_the_profile(after: str) -> None:
    with transaction(after) as cursor:
        cursor.execute(
            "INSERT INTO auth.users (id, phone) VALUES (md5('p')::uuid, '1');"
            " INSERT INTO legacy_users (id, email) VALUES (md5('p')::uuid, 'p@example.com');"
            " UPDATE legacy_users SET email = NULL, display_name = 'P' WHERE id = md5('p')::uuid"
        )
        found = cursor.execute("SELECT email, name FROM profiles WHERE id = md5('p')::uuid").fetchall()
        assert found == [("p@example.com", "P")]
        assert cursor.execute((ROOT / "verify" / "legacy_users.sql").read_bytes()).fetchall() == []


# While somebody writes


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("UPDATE legacy_sessions SET rendered_html = NULL WHERE session_id = {}", None),
        ("DELETE FROM legacy_sessions WHERE session_id = {}", None),
        ("UPDATE legacy_sessions SET user_id = NULL WHERE session_id = {}", None),
        ("UPDATE legacy_sessions SET rendered_html = 'newer' WHERE session_id = {}", "newer"),
    ],
)
@pytest.mark.parametrize("open_", [False, True])
def test_a_chunk_copies_no_session_that_changes_under_it(
    before: str, psql: Psql, change: str, left: str | None, open_: bool
) -> None:
    """The chunk's keys are taken, then the old application writes: committed already, or not yet."""
    forward(before, psql, 4)
    taken, _, copy = text_of(5).partition(";\n\n")
    key = str(
        one(
            before,
            "SELECT min(session_id) FROM legacy_sessions"
            " WHERE rendered_html <> '' AND user_id IN (SELECT id FROM profiles) AND client_name <> ''",
        )
    )
    with psycopg.connect(before) as runner, psycopg.connect(before) as application:
        runner.execute(taken.encode())
        application.execute(change.format("%s").encode(), (key,))
        if not open_:
            application.commit()
        copying = Thread(target=runner.execute, args=(copy.encode(),))
        copying.start()
        if open_:
            copying.join(0.2)
            assert copying.is_alive()
            application.commit()
        copying.join(20)
        runner.commit()
    found = rows(before, f"SELECT html FROM deliverables WHERE id = '{key}'")
    assert found == ([] if left is None else [(left,)])
    assert psql(before, ROOT / "verify" / "legacy_sessions.sql") == ""


def test_going_back_from_004_takes_nothing_along_that_is_just_being_made(before: str, psql: Psql) -> None:
    forward(before, psql)
    back(before, psql, 5, 4)
    with psycopg.connect(before) as application:
        application.execute(
            f"INSERT INTO deliverables (id, user_id, client_name, html) VALUES ('made', {person(4)}, 'c', 'h')".encode()
        )
        going = Thread(target=back, args=(before, psql, 4, 3))
        going.start()
        going.join(0.5)
        assert going.is_alive()
        application.commit()
        going.join(20)
    assert one(before, "SELECT count(*) FROM deliverables WHERE id = 'made'") == 1


# A new project, and what stops a step


def test_an_empty_project(before: str, psql: Psql) -> None:
    """Nobody has ever logged in, and the old system has no rows: the steps go through, and row security is tried."""
    psql(before, "TRUNCATE legacy_users, legacy_sessions, auth.users, auth.identities")
    with psycopg.connect(before) as connection:
        told: list[str] = []
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        connection.execute(text_of(1).encode())
        connection.rollback()
    assert not any("not tried" in words for words in told)
    forward(before, psql)
    assert psql(before, ROOT / "verify" / "rls_member.sql").startswith("sees own rows only|")
    assert psql(before, ROOT / "verify" / "sums.sql").startswith("t|")
    back(before, psql)


def test_an_old_system_with_varchar_columns(before: str, psql: Psql) -> None:
    shape = ROOT / "checks" / "legacy_shape.sql"
    psql(
        before,
        "ALTER TABLE legacy_users ALTER email TYPE varchar(255), ALTER display_name TYPE varchar(255);"
        " ALTER TABLE legacy_sessions ALTER session_id TYPE varchar(255), ALTER client_name TYPE varchar(255)",
    )
    assert psql(before, shape) == ""
    forward(before, psql)
    for name in ("legacy_sessions", "legacy_users"):
        assert psql(before, ROOT / "verify" / f"{name}.sql") == ""
    psql(before, f"UPDATE legacy_users SET display_name = 'x' WHERE id = {person(4)}")
    assert one(before, f"SELECT name FROM profiles WHERE id = {person(4)}") == "x"
    back(before, psql)
    assert one(before, "SELECT to_regclass('profiles') IS NULL") is True
    psql(before, "ALTER TABLE legacy_users ALTER created_at TYPE date")
    assert psql(before, shape) == "public.legacy_users.created_at as timestamp with time zone\n"


def test_002_stops_where_a_stranger_would_see_tokens(before: str, psql: Psql) -> None:
    forward(before, psql, 1)
    script = text_of(2)
    words = "FOR ALL USING ((SELECT auth.uid()) = user_id)"
    assert words in script
    with psycopg.connect(before) as connection, pytest.raises(psycopg.errors.RaiseException, match="row security: "):
        connection.execute(script.replace(words, "FOR ALL USING (true)").encode())


def test_a_bucket_made_meanwhile_is_seen_and_our_own_is_not(before: str, psql: Psql) -> None:
    runbook = load(ROOT).runbook
    assert runbook is not None
    item = runbook.item("no-bucket-yet")
    assert item.sql is not None
    (query,) = item.sql.statements
    psql(before, "INSERT INTO storage.buckets (id, name, public) VALUES ('private', 'private', true)")
    assert one(before, query.text) == 1
    psql(before, "SET storage.allow_delete_query = 'true'; DELETE FROM storage.buckets WHERE id = 'private'")
    forward(before, psql, 3)
    assert one(before, query.text) == 0
