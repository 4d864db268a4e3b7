"""The runbook users-normalization on real servers: forward, back from every stop-point, and its application."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from conftest import INSTALLATIONS, Servers
from psycopg.conninfo import make_conninfo
from users_world import (
    CLEANUP,
    DEPENDENT,
    FIXTURE,
    NEW,
    ROOT,
    STEPS,
    TABLES,
    WHOLE,
    Forward,
    PgDump,
    Psql,
    as_member,
    ask_one,
    contents,
    loaded_by_psql,
    runbook,
)

from tui.postgres.embedded import EmbeddedServer
from tui.postgres.traffic import load_traffic
from tui.runbook.load import load
from tui.runbook.model import Phase

MAJORS = sorted({one.major for one in INSTALLATIONS.values()})


@pytest.fixture(scope="module", params=list(INSTALLATIONS))
def loaded(request: pytest.FixtureRequest, servers: Servers) -> Iterator[tuple[EmbeddedServer, str]]:
    """Every server in turn, and the name of a database on it with the small fixture, loaded once by psql."""
    server = servers.get(INSTALLATIONS[request.param])
    with loaded_by_psql(server, FIXTURE) as name:
        yield server, name


@pytest.fixture
def before(loaded: tuple[EmbeddedServer, str]) -> Iterator[str]:
    """The DSN of a copy of the database before the migration, on every server in turn."""
    server, template = loaded
    name = f"test_{uuid4().hex[:12]}"
    yield server.create_database(name, template)
    server.drop_database(name)


@pytest.fixture
def forward(before: str, psql: Psql) -> Forward:
    """Applies the steps up to this number in psql."""

    def run(last: int = 4, first: int = 1) -> None:
        psql(before, "SELECT 1", *(f"--file={path}" for path in STEPS[first - 1 : last]))

    return run


def test_it_is_sound() -> None:
    loaded = load(ROOT)
    assert loaded.findings == ()
    book = runbook()
    assert [step.id for step in book.steps] == ["001", "002", "003", "004", "005"]
    assert all(step.rollback is not None for step in book.steps[:4])
    assert (book.steps[4].point_of_no_return, book.steps[4].not_before) == (True, 14 * 86400)
    assert all(len(item.title) <= 60 for item in book.checklist)
    assert all(len(verification.title) <= 60 for verification in book.verifications)
    assert book.item("start-application").phase is Phase.AFTER


def test_every_script_locks_in_the_same_order() -> None:
    def locked(path: Path) -> list[str]:
        pattern = re.compile(r"^LOCK TABLE (.*?)\s+IN ACCESS EXCLUSIVE MODE;$", re.DOTALL | re.MULTILINE)
        (clause,) = pattern.findall(path.read_text())
        return re.findall(r"dev\.(\w+)", clause)

    order = locked(WHOLE)
    assert {*DEPENDENT, "users", "users_old", "user_integrations"} < set(order)
    for path in (STEPS[2], CLEANUP, *(ROOT / "rollback" / f"00{number}.sql" for number in (1, 3, 4))):
        names = locked(path)
        assert names == sorted(names, key=order.index), path.name


def test_no_superuser_is_needed(before: str, psql: Psql, pg_dump: PgDump) -> None:
    """The owner of the tables, who may act as the application's roles."""
    psql(
        before,
        """
        DO $$
        DECLARE
          one text;
        BEGIN
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dev_owner') THEN
            CREATE ROLE dev_owner LOGIN;
          END IF;
          GRANT dev_backend, dev_member TO dev_owner;
          GRANT USAGE, CREATE ON SCHEMA dev TO dev_owner;
          FOR one IN
            SELECT format('ALTER %s %s OWNER TO dev_owner', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END,
              oid::regclass) FROM pg_class WHERE relnamespace = 'dev'::regnamespace AND relkind IN ('r', 'v')
            UNION ALL
            SELECT format('ALTER FUNCTION %s OWNER TO dev_owner', oid::regprocedure) FROM pg_proc
            WHERE pronamespace = 'dev'::regnamespace
            UNION ALL
            SELECT format('ALTER STATISTICS dev.%I OWNER TO dev_owner', stxname) FROM pg_statistic_ext
            WHERE stxnamespace = 'dev'::regnamespace
          LOOP
            EXECUTE one;
          END LOOP;
        END
        $$
        """,
    )
    owner = make_conninfo(before, user="dev_owner")
    schema, data = pg_dump(before, "--schema-only"), contents(before, psql)
    for path in STEPS:
        psql(owner, path)
    for name in ("rls_member", "rls_admin", "rls_backend"):
        assert psql(owner, ROOT / "verify" / f"{name}.sql").startswith("sees ")
    psql(owner, WHOLE)
    assert pg_dump(before, "--schema-only") == schema
    assert contents(before, psql) == data


def test_the_way_back_from_every_stop_point_ends_where_it_began(
    before: str, forward: Forward, psql: Psql, pg_dump: PgDump
) -> None:
    """Schema by pg_dump, byte for byte, and every row; forward once more gives the same rows as the first time."""
    data = contents(before, psql)
    dumps = [pg_dump(before, "--schema-only")]
    for number in (1, 2, 3, 4):
        forward(number, number)
        dumps.append(pg_dump(before, "--schema-only"))
    assert all(one != other for one, other in pairwise(dumps))
    migrated = contents(before, psql, NEW)
    assert migrated[1 : len(TABLES)] == data[1:]

    for number in (4, 3, 2, 1):
        psql(before, ROOT / "rollback" / f"00{number}.sql")
        assert pg_dump(before, "--schema-only") == dumps[number - 1], f"after 00{number} back"
    assert contents(before, psql) == data

    forward()
    assert pg_dump(before, "--schema-only") == dumps[-1]
    assert contents(before, psql, NEW) == migrated
    psql(before, WHOLE)
    assert pg_dump(before, "--schema-only") == dumps[0]
    assert contents(before, psql) == data


def test_awkward_values_arrive(before: str, forward: Forward, psql: Psql) -> None:
    insert = "INSERT INTO dev.users (id, created_at, email, {}) VALUES (%s, '2024-01-01Z', %s, {})"
    awkward: list[tuple[str, str | None, dict[str, object]]] = [
        ("a_empty", "a@example.com", {"access_token": ""}),
        ("b_refresh_only", "b@example.com", {"refresh_token_2": "r", "token_expiration_date_2": "soon"}),
        ("c_expired", None, {"refresh_expired": True}),
        ("d_never", "d@example.com", {"refresh_expired": False}),
        ("e_scopes", "e@example.com", {"access_token": "t", "granted_scopes": '"  a b "'}),
        ("f_odd_scopes", "f@example.com", {"access_token": "t", "granted_scopes": '{"a": 1}'}),
        ("g_hour25", "g@example.com", {"access_token": "t", "token_expiration_date": "2025-02-01 25:00:00"}),
        ("h_zone99", "h@example.com", {"access_token": "t", "token_expiration_date": "2025-02-01T10:00:00+99:00"}),
        ("i_offset", "i@example.com", {"access_token": "t", "token_expiration_date": "2025-02-01T10:00:00.5+05:30"}),
        ("j_pending", None, {"telegram_signup_token": "s", "telegram_id": ""}),
        ("k_signal", None, {"signal_source_uuid": "u", "signal_device": 3}),
    ]
    with psycopg.connect(before) as connection:
        for name, email, columns in awkward:
            places = ", ".join("%s::jsonb" if key.startswith("granted") else "%s" for key in columns)
            connection.execute(insert.format(", ".join(columns), places).encode(), (name, email, *columns.values()))
    data = contents(before, psql)
    forward()
    with psycopg.connect(before) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(
            "SELECT user_id, service_id, is_active, external_user_id, token_expires_at::text, refresh_expired,"
            " granted_scopes, credentials || metadata FROM dev.user_integrations WHERE user_id = ANY(%s) ORDER BY 1",
            ([name for name, _, _ in awkward],),
        ).fetchall()
    assert rows == [
        ("a_empty", "gmail", False, "a@example.com", None, None, None, {}),
        (
            "b_refresh_only",
            "google_calendar",
            True,
            "b@example.com",
            None,
            None,
            None,
            {"token_expiration_date": "soon"},
        ),
        ("c_expired", "gmail", False, None, None, True, None, {}),
        ("e_scopes", "gmail", True, "e@example.com", None, None, ["a", "b"], {}),
        ("f_odd_scopes", "gmail", True, "f@example.com", None, None, None, {"granted_scopes": {"a": 1}}),
        (
            "g_hour25",
            "gmail",
            True,
            "g@example.com",
            None,
            None,
            None,
            {"token_expiration_date": "2025-02-01 25:00:00"},
        ),
        (
            "h_zone99",
            "gmail",
            True,
            "h@example.com",
            None,
            None,
            None,
            {"token_expiration_date": "2025-02-01T10:00:00+99:00"},
        ),
        ("i_offset", "gmail", True, "i@example.com", "2025-02-01 04:30:00.5+00", None, None, {}),
        ("j_pending", "telegram", False, None, None, None, None, {"signup_token": "s"}),
        ("k_signal", "signal", True, "u", None, None, None, {"device": 3}),
    ]
    psql(make_conninfo(before, options="-c TimeZone=Asia/Kolkata"), WHOLE)
    assert contents(before, psql) == data


def test_of_one_address_the_oldest_account_keeps_it(before: str, forward: Forward, psql: Psql) -> None:
    psql(
        before,
        """
        INSERT INTO dev.users (id, created_at, email, display_name) VALUES
          ('dup_young', '2024-03-01', 'dup@example.com', 'young'), ('dup_old', '2024-01-01', 'dup@example.com', 'old'),
          ('dup_case', '2023-01-01', 'Dup@example.com', 'another case is another address');
        """,
    )
    data = contents(before, psql)
    forward()
    emails = "SELECT string_agg(id || ' ' || coalesce(email, '-'), ', ' ORDER BY id) FROM dev.users WHERE id ~ '^dup_'"
    assert ask_one(before, emails) == "dup_case Dup@example.com, dup_old dup@example.com, dup_young -"
    listed = "SELECT email || ' ' || kept_by FROM dev.users_duplicate_emails WHERE user_id = 'dup_young'"
    assert ask_one(before, listed) == "dup@example.com dup_old"
    # The older account goes, the younger one gets another address: neither may come back with the old one.
    psql(before, "UPDATE dev.users SET email = 'mine@example.com' WHERE id = 'dup_young'")
    psql(before, "DELETE FROM dev.users WHERE id = 'dup_old'")
    psql(before, WHOLE)
    assert ask_one(before, emails) == "dup_case Dup@example.com, dup_young mine@example.com"
    assert contents(before, psql)[1:] == data[1:]


def test_what_the_new_application_wrote_survives_the_way_back(
    before: str, forward: Forward, psql: Psql, pg_dump: PgDump
) -> None:
    psql(
        before,
        """
        INSERT INTO dev.users (id, created_at, email, access_token, refresh_token, telegram_id, signal_source_uuid)
        VALUES
          ('n_refresh', '2024-01-01', 'r@example.com', 'old', 'old-r', NULL, NULL),
          ('n_unlink', '2024-01-01', 'u@example.com', 'keep', 'keep-r', 'tg_u', NULL),
          ('n_delete', '2024-01-01', 'd@example.com', 'gone', 'gone-r', NULL, NULL),
          ('n_second', '2024-01-01', 's@example.com', 'first', 'first-r', NULL, NULL),
          ('n_away', '2024-01-01', 'a@example.com', 'x', NULL, NULL, 'sig'),
          ('n_email', '2024-01-01', 'e@example.com', 'e', 'e-r', NULL, NULL),
          ('n_calendar', '2024-01-01', 'c@example.com', NULL, NULL, NULL, NULL),
          ('n_untouched', '2024-01-01', '', '', NULL, '', NULL);
        UPDATE dev.users SET access_token_2 = 'c', refresh_token_2 = 'c-r' WHERE id = 'n_calendar';
        """,
    )
    schema = pg_dump(before, "--schema-only")
    untouched = "SELECT u::text FROM dev.users AS u WHERE id IN ('n_untouched', 'user_123') ORDER BY id"
    as_it_was = psql(before, untouched)
    forward()
    psql(
        before,
        """
        INSERT INTO dev.services (id, name, type, provider) VALUES ('drive', 'Drive', 'storage', 'google');
        INSERT INTO dev.users (id, email, display_name) VALUES ('n_new', 'new@example.com', 'New');
        INSERT INTO dev.tasks (user_id, title) VALUES ('n_new', 'first');
        SELECT dev.link_gmail_to_user('n_new', 'n', 'n-r', '2099-01-01 00:00:00Z', granted_scopes => '["a"]'),
          dev.link_calendar_to_user('n_new', 'c', 'c-r'), dev.link_telegram_to_user('n_new', 'tg_n', '@n'),
          dev.link_signal_to_user('n_new', 'sig_n'), dev.link_whatsapp_to_user('n_new', 'wa_n'),
          dev.link_service_to_user('n_new', 'drive', access_token => 'd');
        UPDATE dev.user_integrations
        SET access_token = 'new', token_expires_at = '2099-05-05 05:05:05Z', refresh_expired = false
        WHERE user_id = 'n_refresh';
        SELECT dev.unlink_gmail_from_user('n_unlink'), dev.unlink_telegram_from_user('n_unlink');
        DELETE FROM dev.user_integrations WHERE user_id = 'n_delete';
        SELECT dev.link_gmail_to_user('n_second', 'second', 'second-r', external_user_id => 'work@example.com',
          display_label => 'Work');
        DELETE FROM dev.users WHERE id = 'n_away';
        UPDATE dev.users SET email = 'other@example.com', phone_number = '+1' WHERE id = 'n_email';
        UPDATE dev.users SET email = 'another@example.com' WHERE id = 'n_calendar';
        """,
    )
    psql(before, WHOLE)
    with psycopg.connect(before) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(
            "SELECT id, email, access_token, refresh_token, token_expiration_date, gmail_address, access_token_2,"
            " telegram_id, signal_source_uuid FROM dev.users WHERE id ~ '^n_' AND id <> 'n_untouched' ORDER BY id"
        ).fetchall()
        kept = connection.execute(
            "SELECT user_id, service_id, is_active, external_user_id, access_token FROM dev.user_integrations_kept"
            " ORDER BY 1, 2"
        ).fetchall()
    assert rows == [
        ("n_calendar", "another@example.com", None, None, None, None, "c", None, None),
        ("n_delete", "d@example.com", None, None, None, None, None, None, None),
        # The account's own address is what it was, although the user has another one now.
        ("n_email", "other@example.com", "e", "e-r", None, "e@example.com", None, None, None),
        ("n_new", "new@example.com", "n", "n-r", "2099-01-01T00:00:00+00:00", None, "c", "tg_n", "sig_n"),
        ("n_refresh", "r@example.com", "new", "old-r", "2099-05-05T05:05:05+00:00", None, None, None, None),
        ("n_second", "s@example.com", "first", "first-r", None, None, None, None, None),
        ("n_unlink", "u@example.com", None, None, None, None, None, None, None),
    ]
    assert psql(before, untouched) == as_it_was
    assert kept == [
        # The wide table does not know whose calendar it is.
        ("n_calendar", "google_calendar", True, "c@example.com", "c"),
        ("n_new", "drive", True, "new@example.com", "d"),
        ("n_new", "whatsapp", True, "wa_n", None),
        ("n_second", "gmail", True, "work@example.com", "second"),
        ("n_unlink", "gmail", False, "u@example.com", "keep"),
        ("n_unlink", "telegram", False, "tg_u", None),
    ]
    tables = [f"--exclude-table=dev.{name}_kept" for name in ("services", "user_integrations")]
    assert pg_dump(before, "--schema-only", *tables) == schema

    # Meanwhile the old application goes on, and then the next attempt takes up what was put aside.
    psql(before, "UPDATE dev.users SET access_token = 'newer' WHERE id = 'n_second'")
    forward()
    with psycopg.connect(before) as connection:
        again = connection.execute(
            "SELECT user_id, service_id, is_active, external_user_id, coalesce(access_token, ''), display_label"
            " FROM dev.user_integrations WHERE user_id IN ('n_calendar', 'n_new', 'n_second', 'n_unlink')"
            " ORDER BY 1, 2, 5"
        ).fetchall()
    assert again == [
        ("n_calendar", "google_calendar", True, "c@example.com", "c", "Primary Calendar"),
        ("n_new", "drive", True, "new@example.com", "d", None),
        ("n_new", "gmail", True, "new@example.com", "n", "Primary Gmail"),
        ("n_new", "google_calendar", True, "new@example.com", "c", "Primary Calendar"),
        ("n_new", "signal", True, "sig_n", "", None),
        ("n_new", "telegram", True, "tg_n", "", None),
        ("n_new", "whatsapp", True, "wa_n", "", None),
        ("n_second", "gmail", True, "s@example.com", "newer", "Primary Gmail"),
        ("n_second", "gmail", True, "work@example.com", "second", "Work"),
        ("n_unlink", "gmail", False, "u@example.com", "keep", "Primary Gmail"),
        ("n_unlink", "telegram", False, "tg_u", "", None),
    ]
    # The verifications do not take what was put aside for a mistake of the copy.
    for name in ("profiles_differ", "integrations_differ", "values_lost", "missing_integrations"):
        assert psql(before, ROOT / "verify" / f"{name}.sql") == "", name
    assert psql(before, ROOT / "verify" / "telegram.sql") == "0|0|0\n"
    assert psql(before, ROOT / "verify" / "counts.sql") == "0|0\n"
    assert ask_one(before, "SELECT to_regclass('dev.user_integrations_kept') IS NULL") is True
    assert ask_one(before, "SELECT to_regclass('dev.services_kept') IS NULL") is True


GUIDES_ROLLBACK = """
BEGIN;
DROP TABLE IF EXISTS dev.user_integrations CASCADE;
DROP TABLE IF EXISTS dev.services CASCADE;
DROP TABLE IF EXISTS dev.users CASCADE;
ALTER TABLE dev.users_old RENAME TO users;
ALTER TABLE dev.digests ADD CONSTRAINT digests_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users(id);
ALTER TABLE dev.emails ADD CONSTRAINT emails_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users(id);
ALTER TABLE dev.preferences ADD CONSTRAINT preferences_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users(id);
ALTER TABLE dev.user_logs ADD CONSTRAINT user_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users(id);
COMMIT;
"""


def test_what_the_guides_own_rollback_loses(before: str, forward: Forward, psql: Psql) -> None:
    """Why it is not the one here: without a word it loses a foreign key, a view, a policy; or it fails."""
    keys = (
        "SELECT conname, confdeltype FROM pg_constraint WHERE contype = 'f' AND confrelid = 'dev.users'::regclass"
        " ORDER BY 1"
    )
    assert "tasks_user_id_fkey|c" in psql(before, keys)
    forward()
    with psycopg.connect(before) as connection:
        connection.execute("INSERT INTO dev.users (id) VALUES ('user_new')")
        connection.execute("INSERT INTO dev.emails (user_id, message_id) VALUES ('user_new', 'm')")
        script = GUIDES_ROLLBACK.replace("BEGIN;", "").replace("COMMIT;", "")
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match="emails_user_id_fkey"):
            connection.execute(script.encode())
        connection.rollback()
    psql(before, GUIDES_ROLLBACK)
    assert psql(before, keys).splitlines() == [
        "digests_user_id_fkey|a",
        "emails_user_id_fkey|a",
        "preferences_user_id_fkey|a",
        "user_logs_user_id_fkey|a",
    ]
    assert ask_one(before, "SELECT to_regclass('dev.team_directory') IS NULL") is True
    assert ask_one(before, "SELECT count(*) FROM pg_policy WHERE polname = 'Admins see every task'") == 0
    assert ask_one(before, "SELECT to_regprocedure('dev.get_user_with_integrations(text)') IS NOT NULL") is True


def test_the_cleanup_drops_the_old_table_and_nothing_else(before: str, forward: Forward, psql: Psql) -> None:
    forward()
    data = contents(before, psql, NEW)
    psql(before, "CREATE VIEW dev.forgotten AS SELECT id FROM dev.users_old")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        psql(before, CLEANUP)
    assert "view dev.forgotten depends on table dev.users_old" in refused.value.stderr
    psql(before, "DROP VIEW dev.forgotten")
    psql(before, CLEANUP)
    left = "SELECT relname FROM pg_class WHERE relname ~ '^users_old' UNION ALL SELECT proname FROM pg_proc"
    assert psql(before, f"{left} WHERE proname ~ '^users_old'") == ""
    assert contents(before, psql, NEW) == data
    assert ask_one(before, "SELECT dev.get_telegram_id('user_123')") == "telegram_456"


def test_row_security_at_every_stop_point(before: str, forward: Forward) -> None:
    everybody = ask_one(before, "SELECT count(*) FROM dev.users")
    tasks = ask_one(before, "SELECT count(*) FROM dev.tasks")
    member, own = "user_2", ask_one(before, "SELECT count(*) FROM dev.tasks WHERE user_id = 'user_2'")
    for stop in range(5):
        if stop:
            forward(stop, stop)
        for who, profiles, seen in ((member, 1, own), ("user_1", everybody, tasks), ("user_nobody", 0, 0)):
            with as_member(before, who) as cursor:
                found = cursor.execute("SELECT (SELECT count(*) FROM dev.users), (SELECT count(*) FROM dev.tasks)")
                assert found.fetchone() == (profiles, seen), (stop, who)
                assert cursor.execute("UPDATE dev.users SET time_zone = 'UTC'").rowcount == min(profiles, 1)
                cursor.execute("SELECT id, display_name FROM dev.team_directory")


@pytest.mark.parametrize("deployed", [False, True])
def test_the_application_works_before_and_after(before: str, forward: Forward, deployed: bool) -> None:
    traffic = load_traffic(ROOT / "fixture")
    assert traffic is not None
    assert traffic.deploy == "start-application"
    if deployed:
        forward()
    for session in traffic.session:
        with psycopg.connect(before, user=session.role) as connection:
            superuser = connection.execute("SELECT usesuper FROM pg_user WHERE usename = current_user").fetchone()
            assert superuser == (False,)
            connection.commit()
            for _ in range(5):
                for statement in session.after if deployed and session.after else session.before:
                    connection.execute(statement.encode())
                connection.commit()


@pytest.mark.parametrize("major", MAJORS)
def test_it_is_proven_from_every_stop_point(major: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tui", "rehearse", ROOT.name, "--server", str(major), "--scale", "0.01", "--json"],
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["server"] // 10000 == major
    assert [(way["after"], way["to"], way["scripts"], way["verdict"]) for way in found["ways_back"]] == [
        ("001", None, ["001"], "proven"),
        ("002", "001", ["002"], "proven"),
        ("002", None, ["002", "001"], "proven"),
        ("003", "002", ["003"], "proven"),
        ("003", None, ["003", "002", "001"], "proven"),
        ("004", "003", ["004"], "proven"),
        ("004", None, ["whole"], "proven"),
    ]
