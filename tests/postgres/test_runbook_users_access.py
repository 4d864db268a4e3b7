"""Who may do what after the runbook users-normalization, and what its tables refuse, on every server."""

from collections.abc import Iterator

import psycopg
import pytest
from conftest import INSTALLATIONS, Servers
from users_world import FIXTURE, STEPS, Database, loaded_by_psql


@pytest.fixture(scope="module", params=list(INSTALLATIONS))
def migrated(request: pytest.FixtureRequest, servers: Servers) -> Iterator[str]:
    """The DSN of the database after the migration, on every server in turn, made once."""
    server = servers.get(INSTALLATIONS[request.param])
    with loaded_by_psql(server, [*FIXTURE, *STEPS]) as name:
        yield server.dsn(name)


@pytest.fixture
def db(migrated: str) -> Iterator[Database]:
    with psycopg.connect(migrated, options="-c TimeZone=Asia/Kolkata") as connection:
        yield Database(connection)
        connection.rollback()


def test_what_the_new_tables_refuse(db: Database) -> None:
    email = "INSERT INTO dev.users (email) VALUES ('john@example.com')"
    with db.refused(psycopg.errors.UniqueViolation, "users_email_key"):
        db.do(email)
    add = "INSERT INTO dev.user_integrations (user_id, service_id, external_user_id) VALUES (%s, %s, %s)"
    with db.refused(psycopg.errors.UniqueViolation, "user_integrations_user_id_service_id_external_user_id_key"):
        db.do(add, "user_123", "telegram", "telegram_456")
    with db.refused(psycopg.errors.ForeignKeyViolation, "user_integrations_user_id_fkey"):
        db.do(add, "user_nobody", "telegram", "1")
    with db.refused(psycopg.errors.ForeignKeyViolation, "user_integrations_service_id_fkey"):
        db.do(add, "user_123", "fax", "1")
    with db.refused(psycopg.errors.CheckViolation, "services_type_check"):
        db.do("INSERT INTO dev.services (id, name, type, provider) VALUES ('fax', 'Fax', 'paper', 'post')")
    with db.refused(psycopg.errors.CheckViolation, "user_integrations_granted_scopes_check"):
        db.do("UPDATE dev.user_integrations SET granted_scopes = '\"a b\"' WHERE user_id = 'user_123'")
    with db.refused(psycopg.errors.ForeignKeyViolation, "user_integrations_service_id_fkey"):
        db.do("DELETE FROM dev.services WHERE id = 'gmail'")
    with db.refused(psycopg.errors.ForeignKeyViolation, "tasks_user_id_fkey"):
        db.do("INSERT INTO dev.tasks (user_id, title) VALUES ('user_nobody', 'x')")
    # Credentials do not outlive their user, a log does.
    db.do("INSERT INTO dev.users (id) VALUES ('user_bare')")
    db.do("SELECT dev.link_signal_to_user('user_bare', 's')")
    log = db.one("INSERT INTO dev.user_logs (user_id, event) VALUES ('user_bare', 'login') RETURNING id")
    db.do("DELETE FROM dev.users WHERE id = 'user_bare'")
    assert db.one("SELECT count(*) FROM dev.user_integrations WHERE user_id = 'user_bare'") == 0
    assert db.one("SELECT user_id FROM dev.user_logs WHERE id = %s", log) is None
    assert db.one("INSERT INTO dev.users (email) VALUES ('  new@example.com ') RETURNING email") == "new@example.com"
    db.do("UPDATE dev.users SET email = ' ' WHERE id = 'user_123'")
    assert db.one("SELECT email FROM dev.users WHERE id = 'user_123'") is None


def _become(db: Database, role: str, user: str = "") -> None:
    db.rows("SELECT set_config('app.user_id', %s, true)", user)
    db.do(f"SET LOCAL ROLE {role}")


def test_members_see_their_own(db: Database) -> None:
    member = db.one("SELECT u.id FROM dev.users AS u WHERE role = 'user' AND dev.user_has_service(u.id, 'telegram')"
                    " AND dev.user_has_service(u.id, 'gmail') LIMIT 1")  # fmt: skip
    telegram = db.one("SELECT dev.get_telegram_id(%s)", member)
    own = db.one("SELECT count(*) FROM dev.user_integrations WHERE user_id = %s", member)
    _become(db, "dev_member", member)
    assert db.rows("SELECT id FROM dev.users") == [(member,)]
    assert db.one("SELECT count(*) FROM dev.user_integrations") == own
    assert db.one("SELECT dev.get_telegram_id(%s)", member) == telegram
    assert db.one("SELECT dev.user_has_service(%s, 'gmail')", member) is True
    assert db.one("SELECT count(*) FROM dev.get_user_integrations(%s)", member) == own
    assert db.one("SELECT dev.get_telegram_id('user_123')") is None
    assert db.rows("SELECT * FROM dev.get_user_integrations('user_123')") == []
    assert db.do("UPDATE dev.users SET display_name = 'x', time_zone = 'UTC'") == 1
    for forbidden in (
        "SELECT access_token FROM dev.user_integrations",
        "SELECT * FROM dev.user_integrations",
        "SELECT dev.get_gmail_token('user_123')",
        "SELECT dev.get_user_with_integrations('user_123')",
        "SELECT dev.link_signal_to_user('user_123', 's')",
        "SELECT dev.unlink_gmail_from_user('user_123')",
        "SELECT dev.cleanup_orphaned_integrations()",
        "SELECT * FROM dev.users_duplicate_emails",
        "UPDATE dev.users SET role = 'admin'",
        "UPDATE dev.user_integrations SET is_active = true",
    ):
        with db.refused(psycopg.errors.InsufficientPrivilege, "permission denied"):
            db.rows(forbidden)


def test_admins_see_everybody_but_not_their_integrations(db: Database) -> None:
    users, tasks = db.rows("SELECT (SELECT count(*) FROM dev.users), (SELECT count(*) FROM dev.tasks)")[0]
    _become(db, "dev_member", "user_123")
    assert db.one("SELECT count(*) FROM dev.users") == users
    assert db.one("SELECT count(*) FROM dev.tasks") == tasks
    assert db.one("SELECT count(*) FROM dev.user_integrations") == 2


def test_a_stranger_sees_nothing_and_a_report_no_secret(db: Database) -> None:
    users = db.one("SELECT count(*) FROM dev.users")
    with db.connection.transaction(force_rollback=True):
        _become(db, "dev_member", "user_nobody")
        for name in ("users", "user_integrations", "tasks", "emails", "digests", "preferences"):
            assert db.one(f"SELECT count(*) FROM dev.{name}") == 0
    _become(db, "bi_report")
    assert db.one("SELECT count(DISTINCT u.id) FROM dev.users AS u LEFT JOIN dev.user_integrations AS ui"
                  " ON ui.user_id = u.id") == users  # fmt: skip
    for forbidden in ("SELECT email FROM dev.users", "SELECT credentials FROM dev.user_integrations"):
        with db.refused(psycopg.errors.InsufficientPrivilege, "permission denied"):
            db.rows(forbidden)


def test_the_backend_works_under_row_security(db: Database) -> None:
    _become(db, "dev_backend")
    assert db.json("SELECT dev.get_gmail_token('user_123')")["token"] == "ya29.a0example"
    db.rows("SELECT dev.link_signal_to_user('user_123', 'signal_uuid_abc')")
    assert db.one("SELECT dev.unlink_signal_from_user('user_123')") == 1
    assert db.rows("SELECT dev.cleanup_orphaned_integrations()") == []
    # The grants on the old table are what they were; a policy that takes precedence lets nobody read it.
    assert db.one("SELECT count(*) FROM dev.users_old") == 0
