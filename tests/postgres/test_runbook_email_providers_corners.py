"""The runbook email-providers on databases that are otherwise than its fixture, and on a second try."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import PgDump
from email_providers import (
    FIXTURE,
    INSERT,
    NOTHING,
    ONE,
    OTHER,
    ROOT,
    STEPS,
    TEMPLATES,
    WHOLE,
    back,
    contents,
    default_of,
    one,
    rows,
    run,
    runbook,
)

from tui.engine.verify import ask, judge
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn, PgSession
from tui.runbook.model import Expectation, Phase

SENDERS = "dripiq_app.email_sender_identities"


@pytest.fixture
def before(server: EmbeddedServer) -> Iterator[str]:
    """The DSN of the database before the migration, small, on every server in turn."""
    with TEMPLATES.copy(server, migrated=False) as dsn:
        yield dsn


@pytest.fixture
def before18(server18: EmbeddedServer) -> Iterator[str]:
    with TEMPLATES.copy(server18, migrated=False) as dsn:
        yield dsn


def change(dsn: str, *commands: str) -> None:
    with psycopg.connect(dsn) as connection:
        for command in commands:
            connection.execute(command.encode())


def red(dsn: str, *, after: str = "", probes: Phase | None = None) -> list[str]:
    """Verifications of this moment, or probes of this phase, that are not as expected; none that compare."""
    book = runbook()

    async def asked() -> list[str]:
        async with await PgSession.open(Dsn(dsn), application_name="lockstep test") as session:
            checks = [
                (check.id, check.sql, check.expect)
                for check in book.verifications
                if check.after == after and check.expect.kind is not Expectation.SAME_AS_BEFORE
            ] + [
                (item.id, item.sql, item.expect)
                for item in book.checklist
                if item.phase is probes and item.sql is not None and item.expect is not None
            ]
            return [name for name, sql, expect in checks if not judge(expect, await ask(session, sql, book.safety)).ok]

    return asyncio.run(asked())


def test_a_second_try_is_green_at_every_moment(server: EmbeddedServer, before: str) -> None:
    """With what the first try left behind, and with what tenants had changed by then."""
    run(server, before, STEPS)
    mine, theirs = default_of(before, ONE), default_of(before, OTHER)
    change(
        before,
        f"{INSERT}, is_default, id) SELECT tenant_id, 'smtp', 'Ours', '{{}}', false, 'smtp'"
        f" FROM email_provider_configs WHERE id = '{mine}'",
        # One tenant goes over to another provider and drops SendGrid, one has no default by its own choice.
        "SELECT set_default_email_provider('smtp')",
        f"SELECT delete_email_provider('{mine}')",
        f"UPDATE email_provider_configs SET is_default = false WHERE id = '{theirs}'",
    )
    run(server, before, [WHOLE])
    assert red(before, probes=Phase.BEFORE) == []
    for path in STEPS:
        run(server, before, [path])
        assert red(before, after=path.name[:3]) == [], path.name
    assert red(before, after="end") == []
    # The old application's sender has a configuration again, and the tenant's default is the one that it chose.
    assert rows(
        before, "SELECT type, is_default FROM email_provider_configs WHERE tenant_id = %s AND deleted_at IS NULL", ONE
    ) == [("smtp", True), ("sendgrid", False)]
    run(server, before, [WHOLE])
    assert red(before, after="back") == []


def test_on_an_empty_database_every_verification_is_green(server: EmbeddedServer, database_each: str) -> None:
    run(server, database_each, [path for path in FIXTURE if path.name != "003_data.sql"])
    assert red(database_each, probes=Phase.BEFORE) == []
    run(server, database_each, STEPS)
    for moment in ("001", "002", "003", "004", "end"):
        assert red(database_each, after=moment) == []
    assert red(database_each, probes=Phase.AFTER) == ["flow-sender", "flow-config"]
    run(server, database_each, [WHOLE])
    assert red(database_each, after="back") == []


@pytest.mark.parametrize("one_by_one", [False, True], ids=["whole", "one by one"])
def test_a_new_sender_of_sendgrid_without_a_number_stays_sendgrids(
    server18: EmbeddedServer, before18: str, one_by_one: bool
) -> None:
    """The new application keeps SendGrid's answer in provider_validation_data and writes no number."""
    run(server18, before18, STEPS)
    mine = default_of(before18, ONE)
    change(
        before18,
        "INSERT INTO email_sender_identities (id, tenant_id, user_id, from_email, from_name, domain,"
        " provider_config_id, provider_validation_data)"
        " SELECT 'new', tenant_id, user_id, 'n@example.org', 'x', 'example.org',"
        f" '{mine}', '{{\"identityId\": 7}}' FROM user_tenants WHERE tenant_id = '{ONE}' LIMIT 1",
    )
    run(server18, before18, [back(number) for number in (4, 3, 2, 1)] if one_by_one else [WHOLE])
    run(server18, before18, STEPS)
    assert rows(
        before18,
        "SELECT sendgrid_sender_id, provider_config_id, provider_validation_data FROM email_sender_identities"
        " WHERE id = 'new'",
    ) == [(None, mine, {"identityId": 7})]
    # What nobody has touched is made anew and not kept.
    assert one(before18, "SELECT count(*) FROM email_provider_configs WHERE id = %s", default_of(before18, OTHER)) == 1
    for moment in ("001", "002", "003", "004", "end"):
        assert red(before18, after=moment) == []


@pytest.mark.parametrize("comment", ["NULL", "$$It's theirs$$"])
def test_a_comment_that_was_there_is_there_again(
    server18: EmbeddedServer, before18: str, pg_dump: PgDump, comment: str
) -> None:
    change(before18, f"COMMENT ON COLUMN {SENDERS}.sendgrid_sender_id IS {comment}")
    schema = pg_dump(before18, "--schema-only")
    for ways in ([back(4), back(3), back(2), back(1)], [WHOLE]):
        run(server18, before18, [*STEPS, *ways])
        assert pg_dump(before18, "--schema-only") == schema


def test_senders_may_have_more_columns(server: EmbeddedServer, before: str) -> None:
    """One that must be given, and one whose text depends on the time zone of whoever asks."""
    change(
        before,
        f"ALTER TABLE {SENDERS} DISABLE TRIGGER USER",
        f"ALTER TABLE {SENDERS} ADD brand text, ADD seen_at timestamptz DEFAULT '2025-01-01'",
        f"UPDATE {SENDERS} SET brand = 'x'",
        f"ALTER TABLE {SENDERS} ALTER brand SET NOT NULL",
        f"ALTER TABLE {SENDERS} ENABLE TRIGGER USER",
    )
    data = contents(before)
    assert red(before, probes=Phase.BEFORE) == []
    run(server, before, STEPS)
    with psycopg.connect(before, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        query = (ROOT / "verify" / "log_matches.sql").read_text()
        assert connection.execute(query.encode()).fetchall() == []
        assert connection.execute("SHOW TimeZone").fetchall() == [("Asia/Tokyo",)]
    run(server, before, [WHOLE])
    assert contents(before) == data


def test_other_tables_with_row_security_are_nobodys_fault(server18: EmbeddedServer, before18: str) -> None:
    change(
        before18,
        "CREATE TABLE dripiq_app.email_templates (id text)",
        "ALTER TABLE dripiq_app.email_templates ENABLE ROW LEVEL SECURITY",
    )
    run(server18, before18, STEPS[:2])
    assert red(before18, after="002") == []


def test_row_security_that_would_hide_rows_from_us_is_found_before(before18: str) -> None:
    """Forced, it holds for the owner as well: the data migration would find nobody and its proof nothing wrong."""
    probe = runbook().item("tables").sql
    assert probe is not None
    query = probe.statements[0].text.encode()
    with psycopg.connect(before18) as connection:
        connection.execute("CREATE ROLE dripiq_forced")
        connection.execute("GRANT USAGE ON SCHEMA dripiq_app TO dripiq_forced")
        for table in ("tenants", "email_sender_identities"):
            connection.execute(f"ALTER TABLE dripiq_app.{table} OWNER TO dripiq_forced".encode())
        connection.execute("SET ROLE dripiq_forced")
        assert connection.execute(query).fetchall() == [
            ("email_sender_identities", True, False),
            ("tenants", True, False),
        ]
        connection.execute(f"ALTER TABLE {SENDERS} FORCE ROW LEVEL SECURITY".encode())
        assert connection.execute(query).fetchall()[0] == ("email_sender_identities", True, True)
        connection.rollback()


def test_a_cuid_that_needs_the_callers_search_path_is_found_before(before18: str) -> None:
    """History and triggers call it with an empty one."""
    change(
        before18,
        "CREATE FUNCTION public.theirs() RETURNS text LANGUAGE sql AS $$ SELECT gen_random_uuid()::text $$",
        "CREATE OR REPLACE FUNCTION public.generate_cuid() RETURNS text LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN 'c' || theirs(); END $$",
    )
    assert red(before18, probes=Phase.BEFORE) == ["cuid"]
    change(before18, "ALTER FUNCTION public.generate_cuid() SET search_path = public")
    assert red(before18, probes=Phase.BEFORE) == []


def test_what_the_trigger_makes_is_stamped_in_utc(server18: EmbeddedServer) -> None:
    with psycopg.connect(TEMPLATES.shared(server18)) as connection:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        connection.execute(
            "INSERT INTO email_sender_identities (tenant_id, user_id, from_email, from_name, domain,"
            " sendgrid_sender_id) SELECT tenant_id, user_id, 'a@example.org', 'x', 'example.org', '7'"
            " FROM user_tenants WHERE tenant_id = %s LIMIT 1",
            (NOTHING,),
        )
        assert connection.execute(
            "SELECT created_at = now() AT TIME ZONE 'UTC', updated_at = now() AT TIME ZONE 'UTC'"
            " FROM email_provider_configs WHERE tenant_id = %s",
            (NOTHING,),
        ).fetchall() == [(True, True)]
        connection.rollback()


def test_a_name_that_is_taken_does_not_keep_a_sender_from_its_provider(server18: EmbeddedServer) -> None:
    with psycopg.connect(TEMPLATES.shared(server18)) as connection:
        connection.execute(f"{INSERT}) VALUES (%s, 'smtp', 'SendGrid (Default)', '{{}}')".encode(), (NOTHING,))
        assert connection.execute(
            "INSERT INTO email_sender_identities (tenant_id, user_id, from_email, from_name, domain,"
            " sendgrid_sender_id) SELECT tenant_id, user_id, 'a@example.org', 'x', 'example.org', '7'"
            " FROM user_tenants WHERE tenant_id = %s LIMIT 1 RETURNING provider_config_id IS NOT NULL",
            (NOTHING,),
        ).fetchall() == [(True,)]
        connection.rollback()


def test_an_encrypted_envelope_in_five_parts_is_no_readable_token(server18: EmbeddedServer) -> None:
    """JWE begins as a signed token does, and has two parts more."""
    dsn = TEMPLATES.shared(server18)
    assert one(dsn, "SELECT is_plain_secret('eyJhbGciOiJSU0EifQ.OKOawDo13.48V1_ALb6US.5eym8TW_c8.XFBoMYUZ')") is False
    assert one(dsn, "SELECT is_plain_secret('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3')") is True


def test_a_key_that_checks_at_the_end_is_in_nobodys_way(
    server18: EmbeddedServer, before18: str, pg_dump: PgDump, tmp_path: Path
) -> None:
    """As PostgreSQL 14 has it: a table with checks to come cannot be altered, which steps and ways back do."""
    schema = pg_dump(before18, "--schema-only")
    third = tmp_path / STEPS[2].name
    third.write_text(STEPS[2].read_text().replace(">= 150000", ">= 990000"))
    steps = [*STEPS[:2], third, STEPS[3]]
    for ways in ([back(4), back(3), back(2), back(1)], [WHOLE]):
        run(server18, before18, steps)
        assert "DEFERRABLE INITIALLY DEFERRED" in pg_dump(before18, "--schema-only")
        # Links that are kept: the next try sets them in a table that it goes on to alter.
        mine = default_of(before18, ONE)
        change(before18, f"UPDATE email_provider_configs SET name = name || '!' WHERE id = '{mine}'")
        run(server18, before18, ways)
        assert one(before18, "SELECT count(*) FROM email_provider_kept WHERE source = 'email_provider_configs'") == 1
        assert rows(before18, "SELECT relname FROM pg_class WHERE relname = 'email_provider_configs'") == []
    change(before18, "DROP TABLE email_provider_kept")
    assert pg_dump(before18, "--schema-only") == schema


def test_the_log_is_not_looked_up_for_each_sender(server18: EmbeddedServer, before18: str) -> None:
    """Each look reads all lines of a configuration: for a tenant with many senders the square of their number."""
    run(server18, before18, STEPS)
    looks = one(
        before18,
        "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'email_provider_migration_log_config_id_idx'",
    )
    assert looks == 0
