"""Probes and verifications of users-normalization: green at their moment, red when something is wrong."""

import asyncio
import subprocess
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from conftest import INSTALLATIONS, Servers
from psycopg.conninfo import make_conninfo
from users_world import CLEANUP, FIXTURE, ROOT, SCALE, STEPS, WHOLE, Psql, contents, loaded_by_psql, runbook

from tui.engine.verify import Answer, Rows, ask, judge
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn, PgSession
from tui.runbook.model import Expectation, Verification


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


def test_probes_and_verifications_hold_at_their_moment(before: str, psql: Psql) -> None:
    book = runbook()

    async def red(session: PgSession, baselines: dict[str, Rows], *, probes: str = "", after: str = "") -> list[str]:
        wrong = []
        for item in book.checklist:
            if item.sql is not None and item.expect is not None and item.phase == probes:
                answer = await ask(session, item.sql, book.safety)
                if not judge(item.expect, answer).ok:
                    wrong.append(f"{item.id}: {answer.error or answer.table.rows[:5]}")
        for one in book.verifications:
            if one.after == after:
                answer = await ask(session, one.sql, book.safety)
                if not judge(one.expect, answer, baselines.get(one.id)).ok:
                    wrong.append(f"{one.id}: {answer.error or answer.table.rows[:5]}")
        return wrong

    async def night() -> None:
        async with await PgSession.open(Dsn(before), application_name="test") as session:
            baselines = {}
            for one in book.verifications:
                if one.expect.kind is Expectation.SAME_AS_BEFORE:
                    answer = await ask(session, one.sql, book.safety)
                    assert answer.error is None, one.id
                    baselines[one.id] = answer.table.rows
            assert await red(session, baselines, probes="before") == []
            for path in STEPS:
                # A probe of this phase is asked when the window opens and whenever the operator likes.
                assert await red(session, baselines, probes="during") == []
                psql(before, path)
                assert await red(session, baselines, after=path.name[:3]) == []
            open_flows = await red(session, baselines, probes="after")
            assert [one.partition(":")[0] for one in open_flows] == ["flow-tokens", "flow-signup"]
            await new_application(session)
            assert await red(session, baselines, probes="after") == []
            # Asked again once the new application writes, the verifications mind only what 003 did.
            for step in ("001", "002", "003", "004"):
                assert await red(session, baselines, after=step) == []
            psql(before, WHOLE)
            assert await red(session, baselines, after="back") == []

    async def new_application(session: PgSession) -> None:
        await session.execute("INSERT INTO dev.users (email) VALUES ('new@example.com')")
        young = "(SELECT id FROM dev.users WHERE created_at > '2025-10-01' AND email <> '' ORDER BY id LIMIT 1)"
        await session.execute(f"SELECT dev.link_gmail_to_user({young}, 'fresh', 'again', now() + interval '1 hour')")
        await session.execute(f"UPDATE dev.users SET display_name = 'changed' WHERE id = {young}")

    asyncio.run(night())


SABOTAGE = {
    "services": "DELETE FROM dev.services WHERE id = 'whatsapp'",
    "integration-columns": "ALTER TABLE dev.user_integrations DROP COLUMN auth_code",
    "integration-unique": "DROP INDEX dev.user_integrations_one_without_external_id",
    "functions": "DROP FUNCTION dev.get_signal_token(text)",
    "functions-tight": "GRANT EXECUTE ON FUNCTION dev.get_gmail_token(text) TO dev_member",
    "users-columns": "ALTER TABLE dev.users ADD COLUMN telegram_id text",
    "counts": "DELETE FROM dev.users WHERE id = 'user_left'",
    "missing-integrations": "DELETE FROM dev.user_integrations WHERE user_id = 'user_123' AND service_id = 'gmail'",
    "profiles-differ": "UPDATE dev.users_old SET phone_number = '+1' WHERE id = 'user_123'",
    "integrations-differ": "UPDATE dev.users_old SET token_expiration_date = '2025-10-14Z' WHERE id = 'user_123'",
    "values-lost": "UPDATE dev.users_old SET calendar_sync_token = 'lost' WHERE id = 'user_123'",
    "emails": "DELETE FROM dev.users_duplicate_emails",
    "emails-unique": "ALTER TABLE dev.users DROP CONSTRAINT users_email_key",
    "token-rule": "UPDATE dev.users_old SET access_token_2 = 't', refresh_expired_2 = NULL,"
    " token_expiration_date_2 = '2099-01-01' WHERE id = 'user_123'",
    "telegram": "UPDATE dev.users_old SET telegram_id = 'telegram_7' WHERE id = 'user_123'",
    "sample": "TRUNCATE dev.user_integrations",
    "orphans": "SET LOCAL session_replication_role = replica;"
    " INSERT INTO dev.tasks (user_id, title) VALUES ('user_nobody', 'x')",
    "left-on-old": "CREATE VIEW dev.forgotten AS SELECT id FROM dev.users_old",
    "trigger": "ALTER TABLE dev.users DISABLE TRIGGER users_clean_email",
    "grants": "REVOKE UPDATE (time_zone) ON dev.users FROM dev_member",
    "definitions": 'ALTER POLICY "Members change themselves" ON dev.users USING (true)',
    "secrets": "GRANT SELECT ON dev.user_integrations TO bi_report",
    "row-security": "ALTER TABLE dev.user_integrations DISABLE ROW LEVEL SECURITY",
    "rls-member": "CREATE POLICY loose ON dev.user_integrations FOR SELECT TO dev_member USING (true)",
    "rls-admin": 'ALTER POLICY "Admins see every task" ON dev.tasks USING (false)',
    "rls-stranger": "CREATE POLICY loose ON dev.users FOR SELECT TO dev_member USING (true)",
    "rls-backend": 'DROP POLICY "Kept for the way back" ON dev.users_old;'
    ' CREATE POLICY "Kept for the way back" ON dev.users_old FOR ALL TO PUBLIC USING (false)',
    "foreign-keys": "ALTER TABLE dev.tasks DROP CONSTRAINT tasks_user_id_fkey",
    "keys-validated": "ALTER TABLE dev.emails ADD CONSTRAINT later CHECK (subject <> 'x') NOT VALID",
    "indexes": "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'dev.users_email_idx'::regclass",
    "rows": "DELETE FROM dev.telegram_messages WHERE id = 1",
    "owners": "UPDATE dev.tasks SET user_id = 'user_123' WHERE id = 1",
    "profiles": "UPDATE dev.users SET display_name = 'x' WHERE id = 'user_123'",
    "credentials": "UPDATE dev.user_integrations SET client_secret = 'x' WHERE user_id = 'user_123'",
    "old-gone": "CREATE VIEW dev.users_old_again AS SELECT 1 AS id",
    "back-catalog": "COMMENT ON COLUMN dev.users.time_zone IS NULL",
    "back-rows": "DELETE FROM dev.telegram_messages WHERE id = 1",
    "back-owners": "UPDATE dev.emails SET user_id = 'user_123' WHERE message_id = '<1@mail.example>'",
    "back-profiles": "UPDATE dev.users SET role = NULL WHERE id = 'user_123'",
    "back-credentials": "UPDATE dev.users SET telegram_signup_token = 'x' WHERE id = 'user_123'",
    "back-keys": "ALTER TABLE dev.tasks DROP CONSTRAINT tasks_user_id_fkey",
    "back-kept": "CREATE TABLE dev.user_integrations_kept AS SELECT 1 AS id",
    "back-rls": "CREATE POLICY loose ON dev.users FOR SELECT TO dev_member USING (true)",
}
"""What makes each verification red."""


def test_every_verification_turns_red(database: str, psql: Psql) -> None:
    book = runbook()
    dsn = make_conninfo(database, options=SCALE)
    files = [f"--file={path}" for path in FIXTURE]
    # Somebody without anything, whom nothing refers to.
    psql(dsn, "INSERT INTO dev.users (id, created_at) VALUES ('user_left', '2024-01-01')", *files)
    assert set(SABOTAGE) == {one.id for one in book.verifications}

    async def verdict(session: PgSession, one: Verification, baseline: Rows | None) -> bool:
        return judge(one.expect, Answer(await session.query(one.sql.statements[0].text), 0.0), baseline).ok

    async def sabotaged(session: PgSession, moments: tuple[str, ...], baselines: dict[str, Rows]) -> None:
        for one in book.verifications:
            if one.after not in moments:
                continue
            assert await verdict(session, one, baselines.get(one.id)), one.id
            await session.execute("BEGIN")
            for statement in SABOTAGE[one.id].split("; "):
                await session.execute(statement)
            assert not await verdict(session, one, baselines.get(one.id)), one.id
            await session.execute("ROLLBACK")

    async def night() -> None:
        async with await PgSession.open(Dsn(dsn), application_name="test") as session:
            baselines = {
                one.id: (await session.query(one.sql.statements[0].text)).rows
                for one in book.verifications
                if one.expect.kind is Expectation.SAME_AS_BEFORE
            }
            await sabotaged(session, ("back",), baselines)
            for path in STEPS:
                psql(dsn, path)
            await sabotaged(session, ("001", "002", "003", "004"), baselines)
            psql(dsn, CLEANUP)
            await sabotaged(session, ("005",), baselines)

    asyncio.run(night())


def test_an_unknown_dependency_is_named_before_anything_runs(before: str, psql: Psql) -> None:
    psql(
        before,
        """
        CREATE TABLE dev.notes (user_id text CONSTRAINT notes_user_id_fkey REFERENCES dev.users (id));
        CREATE VIEW dev.telegram_people AS SELECT id FROM dev.users WHERE telegram_id IS NOT NULL;
        CREATE FUNCTION dev.gmail_people() RETURNS bigint LANGUAGE sql
          AS $$ SELECT count(*) FROM dev.users WHERE access_token IS NOT NULL $$;
        CREATE INDEX users_phone_number_idx ON dev.users (phone_number);
        CREATE POLICY "Admins read logs" ON dev.user_logs USING (
          EXISTS (SELECT FROM dev.users AS u WHERE u.id = dev.current_user_id() AND u.role = 'admin'));
        DROP POLICY "Reports count everybody" ON dev.users;
        DO $$ BEGIN IF to_regrole('dev_support') IS NULL THEN CREATE ROLE dev_support; END IF; END $$;
        GRANT SELECT (email) ON dev.users TO dev_support;
        CREATE FUNCTION dev.full_name(u dev.users) RETURNS text LANGUAGE sql AS $$ SELECT u.display_name $$;
        CREATE FUNCTION dev.people() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM dev.users; END;
        ALTER TABLE dev.users ADD COLUMN slack_id text;
        """,
    )
    found = psql(before, ROOT / "checks" / "unknown_objects.sql").splitlines()
    assert found == [
        "missing|policy|Reports count everybody on dev.users",
        "unknown|bound to users|dev.full_name(dev.users)",
        "unknown|bound to users|dev.people()",
        "unknown|foreign key|notes_user_id_fkey on dev.notes",
        "unknown|function that speaks of a column that moves|dev.gmail_people()",
        "unknown|grants to|dev_support",
        "unknown|index|users_phone_number_idx",
        "unknown|policy|Admins read logs on dev.user_logs",
        "unknown|view|dev.telegram_people",
    ]
    assert psql(before, ROOT / "checks" / "columns.sql") == "unknown|slack_id|text\n"


def test_default_privileges_give_no_credential_away(before: str, psql: Psql) -> None:
    """The views read users_old as their owner, whom no row security stops: one grant, and all of it could be read."""
    psql(
        before,
        """
        DO $$ BEGIN IF to_regrole('dev_support') IS NULL THEN CREATE ROLE dev_support; END IF; END $$;
        ALTER DEFAULT PRIVILEGES IN SCHEMA dev GRANT ALL ON TABLES TO dev_support, PUBLIC;
        ALTER DEFAULT PRIVILEGES IN SCHEMA dev GRANT EXECUTE ON FUNCTIONS TO dev_support;
        """,
    )
    for path in STEPS:
        psql(before, path)
    for name in ("readable_secrets", "loose_functions"):
        assert psql(before, ROOT / "verify" / f"{name}.sql") == "", name
    given = (
        "SELECT c.relname FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.relnamespace = 'dev'::regnamespace"
        " AND (a.grantee = 0 OR a.grantee = 'dev_support'::regrole)"
    )
    assert psql(before, given) == ""
    # What somebody grants afterwards is seen.
    psql(before, "GRANT SELECT ON dev.users_old_integrations TO dev_support")
    psql(before, "GRANT EXECUTE ON FUNCTION dev.get_gmail_token(text) TO dev_support")
    assert "dev_support|dev.users_old_integrations|refresh_token" in psql(before, ROOT / "verify/readable_secrets.sql")
    assert psql(before, ROOT / "verify" / "loose_functions.sql") == "dev.get_gmail_token(text)\n"


def test_a_grant_that_stays_behind_is_missed(before: str, psql: Psql) -> None:
    psql(before, "DO $$ BEGIN IF to_regrole('dev_support') IS NULL THEN CREATE ROLE dev_support; END IF; END $$")
    psql(before, "GRANT SELECT (email) ON dev.users TO dev_support")
    grants = psql(before, ROOT / "verify" / "grants.sql").splitlines()
    for path in STEPS:
        psql(before, path)
    left = set(grants) - set(psql(before, ROOT / "verify" / "grants.sql").splitlines())
    assert left == {"dev_support|email|SELECT|f"}


def test_odd_scopes_are_neither_lost_nor_called_lost(before: str, psql: Psql) -> None:
    psql(
        before,
        """
        INSERT INTO dev.users (id, access_token, granted_scopes, granted_scopes_2) VALUES
          ('o_empty', 't', '""', '"  "'), ('o_object', 't', '{"a": null, "b": [null]}', '{"c": null}'),
          ('o_number', 't', '5', 'null');
        """,
    )
    data = contents(before, psql)
    for path in STEPS:
        psql(before, path)
    found = "SELECT user_id, service_id, granted_scopes, metadata FROM dev.user_integrations"
    found += " WHERE user_id ~ '^o_' ORDER BY 1, 2"
    assert psql(before, found).splitlines() == [
        "o_empty|gmail|[]|{}",
        "o_empty|google_calendar|[]|{}",
        'o_number|gmail||{"granted_scopes": 5}',
        "o_number|google_calendar||{}",
        'o_object|gmail||{"granted_scopes": {"a": null, "b": [null]}}',
        'o_object|google_calendar||{"granted_scopes": {"c": null}}',
    ]
    assert psql(before, ROOT / "verify" / "values_lost.sql") == ""
    psql(before, WHOLE)
    assert contents(before, psql) == data


def test_what_the_old_application_disconnected_stays_so(before: str, psql: Psql) -> None:
    """Put aside for its label, and meanwhile disconnected: the next attempt takes up the label and no more."""
    gmail = "FROM dev.user_integrations WHERE user_id = 'user_123' AND service_id = 'gmail'"
    for path in STEPS:
        psql(before, path)
    psql(before, "UPDATE dev.user_integrations SET display_label = 'Work' WHERE user_id = 'user_123'")
    psql(before, WHOLE)
    psql(before, "UPDATE dev.users SET access_token = NULL, refresh_token = NULL WHERE id = 'user_123'")
    for path in STEPS:
        psql(before, path)
    assert psql(before, f"SELECT is_active, display_label, access_token {gmail}") == "f|Work|\n"


def test_no_account_is_lost_or_connected_by_going_back(before: str, psql: Psql) -> None:
    """Forward, the new application, back, forward again: every account as the new application left it."""
    accounts = (
        "SELECT user_id, service_id, is_active, external_user_id, access_token, refresh_token, metadata ->> 'device'"
        " FROM dev.user_integrations WHERE user_id ~ '^r_' ORDER BY 1, 2, 4"
    )
    psql(
        before,
        """
        INSERT INTO dev.users (id, created_at, email, client_id, access_token, telegram_signup_token,
          signal_source_uuid, signal_device) VALUES
          ('r_begun', '2024-01-01', 'b@example.com', 'c', NULL, 's', NULL, NULL),
          ('r_several', '2024-01-01', 's@example.com', 'c', 'first', NULL, 'one', 3),
          ('r_younger', '2024-01-02', 's@example.com', NULL, NULL, NULL, NULL, NULL);
        """,
    )
    for path in STEPS:
        psql(before, path)
    psql(
        before,
        """
        -- Begun before, connected and disconnected since.
        SELECT dev.link_gmail_to_user('r_begun', 't', 'r'), dev.link_telegram_to_user('r_begun', 'tg');
        SELECT dev.unlink_gmail_from_user('r_begun'), dev.unlink_telegram_from_user('r_begun');
        -- Two accounts, and the UPDATE that writes one token over those of both.
        SELECT dev.link_gmail_to_user('r_several', 'second', 'second-r', external_user_id => 'work@example.com');
        UPDATE dev.user_integrations SET access_token = 'both' WHERE user_id = 'r_several' AND service_id = 'gmail';
        -- Another Signal account in the place of the first, without its device.
        DELETE FROM dev.user_integrations WHERE user_id = 'r_several' AND service_id = 'signal';
        SELECT dev.link_signal_to_user('r_several', 'two');
        -- An account of which nobody knows the address.
        SELECT dev.link_gmail_to_user('r_younger', 'y');
        """,
    )
    then = psql(before, accounts).splitlines()
    psql(before, WHOLE)
    wide = "SELECT id, access_token, telegram_id, signal_source_uuid, signal_device FROM dev.users"
    assert psql(before, f"{wide} WHERE id ~ '^r_' ORDER BY 1").splitlines() == [
        "r_begun||||",
        "r_several|both||two|",
        "r_younger|y|||",
    ]
    for path in STEPS:
        psql(before, path)
    assert psql(before, accounts).splitlines() == then == [
        "r_begun|gmail|f|b@example.com|t|r|",
        "r_begun|telegram|f|tg|||",
        "r_several|gmail|t|s@example.com|both||",
        "r_several|gmail|t|work@example.com|both|second-r|",
        "r_several|signal|t|two|||",
        "r_younger|gmail|t||y||",
    ]  # fmt: skip


def test_what_is_linked_too_early_is_put_aside(before: str, psql: Psql) -> None:
    """Somebody starts the new application before 003: the step refuses, and going back loses nothing."""
    schema, data = psql(before, ROOT / "verify" / "catalog.sql"), contents(before, psql)
    for path in STEPS[:2]:
        psql(before, path)
    psql(
        before,
        "SELECT dev.link_whatsapp_to_user('user_5', 'wa_5'), dev.link_telegram_to_user('user_123', 'telegram_456')",
    )
    with pytest.raises(subprocess.CalledProcessError, match="returned non-zero"):
        psql(before, STEPS[2])
    for number in (2, 1):
        psql(before, ROOT / "rollback" / f"00{number}.sql")
    assert psql(before, ROOT / "verify" / "catalog.sql") == schema
    assert psql(before, ROOT / "verify" / "kept_open.sql") == ""
    assert contents(before, psql) == data
    for path in STEPS:
        psql(before, path)
    assert psql(before, "SELECT external_user_id FROM dev.user_integrations WHERE service_id = 'whatsapp'") == "wa_5\n"
    assert psql(before, "SELECT dev.get_telegram_id('user_123')") == "telegram_456\n"


def test_another_body_of_the_bots_function_is_seen_before(before: str, psql: Psql) -> None:
    item = runbook().item("bot-function-known")
    assert item.sql is not None
    assert item.expect is not None
    query = item.sql.statements[0].text
    assert psql(before, query).strip() == item.expect.value
    psql(before, "ALTER FUNCTION dev.find_user_by_telegram(text) SECURITY DEFINER")
    assert psql(before, query).strip() != item.expect.value


def test_jobs_of_pg_cron_are_asked_where_there_are_any(before: str, psql: Psql) -> None:
    check = ROOT / "checks" / "cron_jobs.sql"
    assert psql(before, check) == ""
    psql(
        before,
        """
        CREATE SCHEMA cron;
        CREATE TABLE cron.job (jobid bigint, command text, active boolean);
        INSERT INTO cron.job VALUES (1, 'UPDATE dev.users SET access_token_2 = NULL', true), (2, 'SELECT 1', true),
          (3, 'SELECT telegram_id FROM dev.users', false),
          (4, 'SELECT id FROM users WHERE token_expiration_date < ''2''', true);
        """,
    )
    assert sorted(psql(before, check).splitlines()) == [
        "1: UPDATE dev.users SET access_token_2 = NULL",
        "4: SELECT id FROM users WHERE token_expiration_date < '2'",
    ]


@pytest.mark.parametrize(
    ("query", "old"),
    [
        ("SELECT access_token FROM dev.users WHERE id = 'user_123'", True),
        ('SELECT * FROM "dev"."users" WHERE refresh_expired_2 = FALSE LIMIT 1', True),
        ("SELECT tm.id FROM dev.telegram_messages tm JOIN dev.users u ON tm.sender_id = u.telegram_id LIMIT 1", True),
        ("SELECT id, email, display_name, time_zone FROM dev.users WHERE id = 'user_2'", False),
        ("SELECT tm.id FROM dev.telegram_messages tm WHERE tm.sender_id = 'telegram_id' LIMIT 1", False),
        ("SELECT 1 FROM pg_class -- users u JOIN user_integrations ui: ui.access_token", False),
    ],
)
def test_a_session_that_asks_for_an_old_column_is_named(before: str, psql: Psql, query: str, old: bool) -> None:
    with psycopg.connect(before, application_name="backend") as connection:
        connection.execute(query.encode())
        assert ("|backend|" in psql(before, ROOT / "checks" / "old_queries.sql")) is old


def test_blockers_are_named_with_what_they_hold(before: str, psql: Psql) -> None:
    # 5 s must have passed for the probe; the test asks with a smaller number.
    query = (ROOT / "checks" / "blockers.sql").read_text().replace("interval '5 seconds'", "interval '0'")
    with psycopg.connect(before, application_name="bi_report") as holder:
        holder.execute("SELECT count(*) FROM dev.tasks")
        found = psql(before, query).split("|")
    assert found[2:4] == ["bi_report", "idle in transaction"]
    assert "tasks AccessShareLock" in found[5]
