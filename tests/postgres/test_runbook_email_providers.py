"""The runbook email-providers on real servers: forward, back from every stop-point, and its application."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import INSTALLATIONS, PgDump, Psql
from email_providers import (
    EVERYTHING,
    FIXTURE,
    NOTHING,
    ONE,
    OTHER,
    ROOT,
    STEPS,
    TEMPLATES,
    WHOLE,
    back,
    contents,
    one,
    rows,
    run,
    runbook,
)

from tui.engine.verify import Rows, ask, judge
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn, PgSession
from tui.postgres.traffic import load_traffic
from tui.runbook.load import load
from tui.runbook.model import Expectation, Phase

NEW_TABLES = "SELECT relname::text FROM pg_class WHERE relname LIKE 'email\\_provider\\_%' AND relkind = 'r' ORDER BY 1"


@pytest.fixture
def before(server: EmbeddedServer) -> Iterator[str]:
    """The DSN of the database before the migration, small, on every server in turn."""
    with TEMPLATES.copy(server, migrated=False) as dsn:
        yield dsn


# The runbook itself


def test_it_is_sound() -> None:
    assert load(ROOT).findings == ()
    book = runbook()
    assert [step.id for step in book.steps] == ["001", "002", "003", "004"]
    assert all(step.rollback is not None for step in book.steps)
    assert all(len(item.title) <= 60 for item in book.checklist)
    assert all(len(verification.title) <= 60 for verification in book.verifications)
    assert book.item("deploy-code").phase is Phase.AFTER


def test_every_script_locks_in_the_same_order() -> None:
    def locked(path: Path) -> list[str]:
        clauses = re.findall(r"^LOCK TABLE (.*?) IN [A-Z ]+ MODE;$", path.read_text(), re.DOTALL | re.MULTILINE)
        return re.findall(r"dripiq_app\.(\w+)", " ".join(clauses))

    order = locked(WHOLE)
    assert (order[0], order[-1]) == ("email_sender_identities", "tenants")
    for path in (*STEPS, *sorted((ROOT / "rollback").glob("*.sql"))):
        names = locked(path)
        assert names, path.name
        assert names == sorted(names, key=order.index), path.name


@pytest.mark.parametrize("major", sorted({one.major for one in INSTALLATIONS.values()}))
def test_it_is_proven_from_every_stop_point(major: int) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tui",
            "rehearse",
            "email-providers",
            "--server",
            str(major),
            "--scale",
            "0.02",
            "--json",
        ],
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
    assert {"relation": "dripiq_app.email_sender_identities", "mode": "ACCESS EXCLUSIVE"} in found["steps"][2]["locks"]


# Forward and back


def test_the_ways_back_end_where_they_began(server: EmbeddedServer, before: str, pg_dump: PgDump) -> None:
    """Schema by pg_dump, byte for byte, and every row. The rehearsal tries each stop-point."""
    data = contents(before)
    schema = pg_dump(before, "--schema-only")
    run(server, before, STEPS)
    migrated = pg_dump(before, "--schema-only")
    assert migrated != schema
    assert contents(before) == data
    run(server, before, [back(number) for number in (4, 3, 2, 1)])
    assert pg_dump(before, "--schema-only") == schema
    assert contents(before) == data
    run(server, before, STEPS)
    assert pg_dump(before, "--schema-only") == migrated
    assert contents(before) == data
    run(server, before, [WHOLE])
    assert pg_dump(before, "--schema-only") == schema
    assert contents(before) == data


def test_an_empty_database_is_migrated_and_taken_back(
    server: EmbeddedServer, database_each: str, pg_dump: PgDump
) -> None:
    run(server, database_each, [path for path in FIXTURE if path.name != "003_data.sql"])
    schema = pg_dump(database_each, "--schema-only")
    notices = run(server, database_each, STEPS)
    assert "no two tenants with a configuration to try row security with" in notices
    assert one(database_each, "SELECT count(*) FROM dripiq_app.email_provider_configs") == 0
    run(server, database_each, [WHOLE])
    assert pg_dump(database_each, "--schema-only") == schema


def test_no_superuser_is_needed(server: EmbeddedServer, before: str, pg_dump: PgDump) -> None:
    with psycopg.connect(before) as connection:
        connection.execute(
            """
            DO $$
            DECLARE
              one text;
            BEGIN
              IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dripiq_owner') THEN
                CREATE ROLE dripiq_owner LOGIN;
              END IF;
              GRANT dripiq_web, dripiq_support TO dripiq_owner;
              ALTER SCHEMA dripiq_app OWNER TO dripiq_owner;
              FOR one IN
                SELECT format('ALTER TABLE %s OWNER TO dripiq_owner', oid::regclass) FROM pg_class
                WHERE relnamespace = 'dripiq_app'::regnamespace AND relkind = 'r'
                UNION ALL
                SELECT format('ALTER FUNCTION %s OWNER TO dripiq_owner', oid::regprocedure) FROM pg_proc
                WHERE pronamespace = 'dripiq_app'::regnamespace
              LOOP
                EXECUTE one;
              END LOOP;
            END
            $$
            """
        )
    owner = before.replace("user=postgres", "user=dripiq_owner")
    assert owner != before
    schema, data = pg_dump(before, "--schema-only"), contents(before)
    run(server, owner, STEPS)
    for name in ("defaults", "open_secrets"):
        assert rows(owner, (ROOT / "verify" / f"{name}.sql").read_text()) == []
    assert rows(owner, (ROOT / "verify" / "rls_tenant.sql").read_text())[0][0] == "sees own rows only"
    run(server, owner, [WHOLE])
    assert pg_dump(before, "--schema-only") == schema
    assert contents(before) == data
    # Memberships belong to the whole server, where other tests ask who may do what.
    with psycopg.connect(before) as connection:
        connection.execute("REVOKE dripiq_web, dripiq_support FROM dripiq_owner")


def test_a_column_that_could_be_null_before_can_be_after_going_back(
    server: EmbeddedServer, before: str, pg_dump: PgDump
) -> None:
    with psycopg.connect(before) as connection:
        connection.execute("ALTER TABLE dripiq_app.email_sender_identities ALTER sendgrid_sender_id DROP NOT NULL")
        connection.execute("ALTER TABLE dripiq_app.email_sender_identities DISABLE TRIGGER USER")
        connection.execute(
            "UPDATE dripiq_app.email_sender_identities SET sendgrid_sender_id = NULL"
            " WHERE tenant_id = %s OR from_email LIKE 'Sales@%%'",
            (ONE,),
        )
        connection.execute("ALTER TABLE dripiq_app.email_sender_identities ENABLE TRIGGER USER")
    schema, data = pg_dump(before, "--schema-only"), contents(before)
    run(server, before, STEPS)
    # Without a number at SendGrid nothing is linked, and a tenant with such senders alone gets nothing.
    assert one(before, "SELECT count(*) FROM dripiq_app.email_provider_configs WHERE tenant_id = %s", ONE) == 0
    assert rows(
        before,
        "SELECT DISTINCT sendgrid_sender_id IS NULL, provider_config_id IS NULL FROM dripiq_app.email_sender_identities"
        " ORDER BY 1",
    ) == [(False, False), (True, True)]
    run(server, before, [WHOLE])
    assert pg_dump(before, "--schema-only") == schema
    assert contents(before) == data


# What the data migration does


def test_every_tenant_that_sends_gets_one_default_and_nobody_else(server: EmbeddedServer, before: str) -> None:
    senders = "SELECT tenant_id, count(*) FROM dripiq_app.email_sender_identities GROUP BY 1 ORDER BY 1"
    counts = rows(before, senders)
    stamps = "SELECT md5(string_agg(id || updated_at, ',' ORDER BY id)) FROM dripiq_app.email_sender_identities"
    stamped = one(before, stamps)
    run(server, before, STEPS)
    made = rows(
        before,
        "SELECT c.tenant_id, count(s.id) FROM dripiq_app.email_provider_configs AS c"
        " JOIN dripiq_app.email_sender_identities AS s ON s.provider_config_id = c.id AND s.tenant_id = c.tenant_id"
        " WHERE (c.type, c.name, c.config, c.is_default, c.is_active, c.version) = ('sendgrid', 'SendGrid (Default)',"
        " '{\"legacy\": true}', true, true, 1) AND c.encrypted_credentials IS NULL GROUP BY 1 ORDER BY 1",
    )
    assert made == counts
    assert one(before, "SELECT count(*) FROM dripiq_app.email_provider_configs") == len(counts)
    by_tenant = {str(tenant): int(str(count)) for tenant, count in counts}
    assert (by_tenant.get(NOTHING), by_tenant[ONE], by_tenant[EVERYTHING]) == (None, 1, 90)
    # Nobody looks as if somebody had changed them.
    assert one(before, stamps) == stamped
    # The history of what was done: one line for each configuration, one for each sender, with the sum of its old row.
    assert rows(
        before,
        "SELECT step, action, count(*), count(DISTINCT tenant_id), count(original_md5)"
        " FROM dripiq_app.email_provider_migration_log GROUP BY 1, 2 ORDER BY 1, 2",
    ) == [
        ("003", "altered", 1, 0, 0),
        ("004", "created", len(counts), len(counts), 0),
        ("004", "linked", sum(by_tenant.values()), len(counts), sum(by_tenant.values())),
    ]
    assert rows(
        before, "SELECT action, changed_by, count(*) FROM dripiq_app.email_provider_config_history GROUP BY 1, 2"
    ) == [("created", "postgres", len(counts))]


def test_what_a_tenant_has_already_is_respected(server: EmbeddedServer, before: str) -> None:
    """The guide's statement fails on each of these: a default, a name that is taken, a SendGrid configuration."""
    run(server, before, STEPS[:3])
    with psycopg.connect(before) as connection:
        connection.execute(
            """
            INSERT INTO email_provider_configs (id, tenant_id, type, name, config, is_default, deleted_at, is_active)
            VALUES ('smtp', %(one)s, 'smtp', 'Ours', '{}', true, NULL, true),
              ('taken', %(other)s, 'smtp', 'SendGrid (Default)', '{}', false, NULL, true),
              ('gone', %(other)s, 'sendgrid', 'Deleted', '{}', false, now(), false),
              ('mine', %(all)s, 'sendgrid', 'Mine', '{}', false, NULL, true)
            """,
            {"one": ONE, "other": OTHER, "all": EVERYTHING},
        )
        connection.execute(
            "UPDATE dripiq_app.email_sender_identities SET provider_config_id = 'smtp' WHERE tenant_id = %s", (ONE,)
        )
    run(server, before, [STEPS[3]])
    # Of three tenants: who has linked all senders needs nothing, a name is not given twice, a SendGrid one is taken.
    assert rows(
        before,
        "SELECT c.id IN ('smtp', 'mine'), c.type, c.name LIKE 'SendGrid (Default) c%%', c.is_default, count(*)"
        " FROM dripiq_app.email_sender_identities AS s JOIN dripiq_app.email_provider_configs AS c"
        " ON c.id = s.provider_config_id WHERE s.tenant_id = ANY(%s) GROUP BY 1, 2, 3, 4 ORDER BY 5",
        [ONE, OTHER, EVERYTHING],
    ) == [(True, "smtp", False, True, 1), (False, "sendgrid", True, True, 8), (True, "sendgrid", False, False, 90)]
    assert rows(
        before,
        "SELECT action, config_id FROM dripiq_app.email_provider_migration_log"
        " WHERE tenant_id = %s AND action <> 'linked'",
        EVERYTHING,
    ) == [("reused", "mine")]
    # Going back takes what was made and leaves what was there.
    run(server, before, [back(4)])
    assert rows(before, "SELECT id FROM dripiq_app.email_provider_configs ORDER BY 1") == [
        ("gone",), ("mine",), ("smtp",), ("taken",),
    ]  # fmt: skip


def test_an_orphan_is_named_before_and_stops_the_data_migration(
    server: EmbeddedServer, before: str, psql: Psql
) -> None:
    psql(
        before,
        """
        ALTER TABLE dripiq_app.email_sender_identities DROP CONSTRAINT email_sender_identities_tenant_id_tenants_id_fk;
        INSERT INTO email_sender_identities (id, tenant_id, user_id, from_email, from_name, domain, sendgrid_sender_id)
        SELECT 'lost', 'no such tenant', id, 'lost@example.org', 'x', 'example.org', '1' FROM dripiq_app.users LIMIT 1;
        """,
    )
    probe = runbook().item("orphans-before").sql
    assert probe is not None
    assert one(before, probe.statements[0].text) == 1
    run(server, before, STEPS[:3])
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(server, before, [STEPS[3]])
    assert "0 senders changed, 1 without a configuration, 0 with another tenant's" in refused.value.stderr
    assert one(before, "SELECT count(*) FROM dripiq_app.email_provider_configs") == 0


# Probes and verifications


def test_probes_and_verifications_hold_at_their_moment(server: EmbeddedServer, before: str) -> None:
    book = runbook()

    async def red(session: PgSession, baselines: dict[str, Rows], *, probes: str = "", after: str = "") -> list[str]:
        wrong = []
        for item in book.checklist:
            if item.sql is not None and item.expect is not None and item.phase == probes:
                answer = await ask(session, item.sql, book.safety)
                if not judge(item.expect, answer).ok:
                    wrong.append(f"{item.id}: {answer.error or answer.table.rows[:5]}")
        for check in book.verifications:
            if check.after == after:
                answer = await ask(session, check.sql, book.safety)
                if not judge(check.expect, answer, baselines.get(check.id)).ok:
                    wrong.append(f"{check.id}: {answer.error or answer.table.rows[:5]}")
        return wrong

    async def night() -> None:
        async with await PgSession.open(Dsn(before), application_name="lockstep test") as session:
            baselines = {}
            for check in book.verifications:
                if check.expect.kind is Expectation.SAME_AS_BEFORE:
                    answer = await ask(session, check.sql, book.safety)
                    assert answer.error is None, check.id
                    baselines[check.id] = answer.table.rows
            assert await red(session, baselines, probes="before") == []
            for path in STEPS:
                # A probe of this phase is asked when the window opens and whenever the operator likes.
                assert await red(session, baselines, probes="during") == []
                run(server, before, [path])
                assert await red(session, baselines, after=path.name[:3]) == []
            assert await red(session, baselines, after="end") == []
            open_flows = await red(session, baselines, probes="after")
            assert [flow.partition(":")[0] for flow in open_flows] == ["flow-sender", "flow-config"]
            await session.execute(
                "INSERT INTO dripiq_app.email_sender_identities (tenant_id, user_id, from_email, from_name, domain,"
                " sendgrid_sender_id) SELECT tenant_id, user_id, 'new@example.org', 'x', 'example.org', ''"
                " FROM dripiq_app.email_sender_identities LIMIT 1"
            )
            await session.execute(
                "INSERT INTO dripiq_app.email_provider_configs (tenant_id, type, name, config, encrypted_credentials)"
                " SELECT id, 'smtp', 'Ours', '{}', 'AAAA' FROM dripiq_app.tenants LIMIT 1"
            )
            assert await red(session, baselines, probes="after") == []
            for moment in ("001", "002", "003", "004", "end"):
                assert await red(session, baselines, after=moment) == []
            run(server, before, [WHOLE])
            assert await red(session, baselines, after="back") == []

    asyncio.run(night())


# The application


@pytest.mark.parametrize("moment", ["before", "old version after", "after"])
def test_the_application_works_before_and_after(server: EmbeddedServer, moment: str) -> None:
    """The old version must go on working beside the new one: it is deployed by degrees."""
    traffic = load_traffic(ROOT / "fixture")
    assert traffic is not None
    assert traffic.deploy == "deploy-code"
    with TEMPLATES.copy(server, migrated=moment != "before") as dsn:
        for session in traffic.session:
            with psycopg.connect(dsn, user=session.role) as connection:
                superuser = connection.execute("SELECT usesuper FROM pg_user WHERE usename = current_user").fetchone()
                assert superuser == (False,)
                connection.commit()
                for _ in range(20):
                    for statement in session.after if moment == "after" and session.after else session.before:
                        connection.execute(statement.encode())
                    connection.commit()
        if moment != "before":
            for name in ("unlinked", "defaults", "log_matches", "log_whole", "history"):
                assert rows(dsn, (ROOT / "verify" / f"{name}.sql").read_text()) == [], name


def test_a_step_that_waits_lets_the_rest_of_the_application_go_on(before: str) -> None:
    step = STEPS[2].read_text()
    first = step[step.index("LOCK TABLE") : step.index(";", step.index("LOCK TABLE"))]
    with psycopg.connect(before) as holder, psycopg.connect(before) as runner:
        holder.execute("SELECT count(*) FROM dripiq_app.email_sender_identities")
        runner.execute("SET LOCAL lock_timeout = '50ms'")
        runner.execute("SAVEPOINT asked")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            runner.execute(first.encode())
        with psycopg.connect(before) as other:
            other.execute("SET LOCAL lock_timeout = '50ms'")
            other.execute("SELECT count(*) FROM dripiq_app.contact_campaigns")
            other.execute("UPDATE dripiq_app.tenants SET name = name WHERE id = %s", (ONE,))
