"""The runbook openinfo on real servers: forward, back from every stop-point, its application, its rehearsal."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import INSTALLATIONS, PgDump, Psql, Servers
from openinfo_world import AT_WORK, ROOT, TABLES, Templates, back, contents, forward, holds, reds, run_script, runbook
from psycopg.conninfo import make_conninfo
from runbooks import execute, one, rows

from tui.engine.before import on_purpose, take
from tui.engine.differences import compare
from tui.postgres.fingerprint import Fingerprint
from tui.postgres.session import Dsn, PgSession
from tui.postgres.traffic import load_traffic
from tui.runbook.load import load
from tui.runbook.model import Phase

MAJORS = sorted({installation.major for installation in INSTALLATIONS.values()})
THEIRS = ("auth.users", "auth.identities", "auth.sessions", "auth.refresh_tokens", "storage.buckets", "storage.objects")


@pytest.fixture(scope="module", params=list(INSTALLATIONS))
def each(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Templates]:
    """Those of every server in turn."""
    made = Templates(servers.get(INSTALLATIONS[request.param]))
    yield made
    made.drop()


@pytest.fixture(scope="module")
def newest(servers: Servers) -> Iterator[Templates]:
    """Those of the newest server, for what does not depend on the version."""
    made = Templates(servers.get(max(INSTALLATIONS.values(), key=lambda one: one.major)))
    yield made
    made.drop()


@pytest.fixture
def before_each(each: Templates) -> Iterator[str]:
    """The DSN of the database before the migration, on every server in turn."""
    yield from each.copy(each.before)


@pytest.fixture
def migrated_each(each: Templates) -> Iterator[str]:
    """The DSN of the migrated database, still empty, on every server in turn."""
    yield from each.copy(each.migrated)


@pytest.fixture
def before(newest: Templates) -> Iterator[str]:
    """The DSN of the database before the migration."""
    yield from newest.copy(newest.before)


@pytest.fixture
def migrated(newest: Templates) -> Iterator[str]:
    """The DSN of the migrated database, still empty."""
    yield from newest.copy(newest.migrated)


def test_it_is_sound() -> None:
    assert load(ROOT).findings == ()
    book = runbook()
    assert [step.id for step in book.steps] == ["001", "002", "003", "004", "005", "006", "007"]
    assert all(step.rollback is not None for step in book.steps)
    assert all(len(item.title) <= 60 for item in book.checklist)
    assert all(len(verification.title) <= 60 for verification in book.verifications)
    assert book.item("deploy-code").phase is Phase.AFTER
    assert {name.removeprefix("public.") for name in book.proof.carries} == set(TABLES)


def test_the_application_works_before_and_after(before_each: str) -> None:
    """Every statement of the traffic, as its role, a few rounds of each."""
    traffic = load_traffic(ROOT / "fixture")
    assert traffic is not None
    assert traffic.deploy == "deploy-code"

    def rounds(*, after: bool) -> None:
        for session in traffic.session:
            statements = session.after if after and session.after else session.before
            with psycopg.connect(before_each, user=session.role, autocommit=not session.transaction) as connection:
                for _ in range(20 if after else 2):
                    for statement in statements:
                        # What a session does now and then, it does each time.
                        connection.execute(statement.replace("random() <", "0 <").encode())

    rounds(after=False)
    forward(before_each)
    rounds(after=False)
    for _ in range(2):
        rounds(after=True)
    for table in ("workspaces", "users", "global_topics", "queries", "leads", "credit_usage", "saved_searches"):
        assert one(before_each, f"SELECT count(*) > 0 FROM {table}") is True, table
    back(before_each)
    rounds(after=False)


def test_every_file_runs_in_psql_and_back_from_every_stop_point(
    database_each: str, psql: Psql, pg_dump: PgDump
) -> None:
    """Schema by pg_dump, byte for byte, and every row that was there."""
    dsn = make_conninfo(database_each, options="-c lockstep.scale=0.001")
    for path in sorted((ROOT / "fixture").glob("*.sql")):
        psql(dsn, path)
    rows = contents(dsn, *THEIRS, "supabase_migrations.schema_migrations")
    steps = [ROOT / step.sql.name for step in runbook().steps]
    backs = [ROOT / step.rollback.name for step in runbook().steps if step.rollback is not None]
    dumps = [pg_dump(dsn, "--schema-only")]
    for path in steps:
        psql(dsn, path)
        dumps.append(pg_dump(dsn, "--schema-only"))
    assert all(one != other for one, other in pairwise(dumps[:-1]))
    # Without pg_cron the last step only tells what to schedule elsewhere.
    assert dumps[-1] == dumps[-2]
    for number in range(7, 0, -1):
        psql(dsn, backs[number - 1])
        assert pg_dump(dsn, "--schema-only") == dumps[number - 1], backs[number - 1].name
    assert contents(dsn, *THEIRS, "supabase_migrations.schema_migrations") == rows
    for path in steps:
        psql(dsn, path)
    assert pg_dump(dsn, "--schema-only") == dumps[-1]


def test_what_the_new_application_wrote_is_kept_and_put_back(migrated_each: str, pg_dump: PgDump) -> None:
    execute(migrated_each, AT_WORK)
    execute(migrated_each, "UPDATE users SET full_name = 'Zoë' WHERE id = md5('a1')::uuid")
    written = contents(migrated_each, *TABLES)
    assert all(written.values())
    schema = pg_dump(migrated_each, "--schema-only")
    back(migrated_each)
    assert one(migrated_each, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    assert one(migrated_each, "SELECT count(*) FROM openinfo_kept.rows") == sum(map(len, written.values()))
    forward(migrated_each)
    # Ids, times and who made them: nothing was stamped or counted anew.
    assert contents(migrated_each, *TABLES) == written
    assert one(migrated_each, "SELECT count(*) FROM openinfo_kept.rows") == 0
    assert pg_dump(migrated_each, "--schema-only") == schema


def test_a_way_back_from_the_middle_keeps_its_rows_as_well(migrated: str) -> None:
    execute(migrated, AT_WORK)
    written = contents(migrated, *TABLES)
    steps = [runbook().step(number) for number in ("004", "005", "006")]
    with psycopg.connect(migrated, autocommit=True) as connection:
        for step in reversed(steps):
            assert step.rollback is not None
            run_script(connection, step.rollback)
        for step in steps:
            run_script(connection, step.sql)
    assert contents(migrated, *TABLES) == written


def test_who_left_meanwhile_does_not_come_back(migrated: str) -> None:
    execute(migrated, AT_WORK)
    back(migrated)
    execute(migrated, "DELETE FROM auth.users WHERE id = md5('account-1')::uuid")
    forward(migrated)
    assert one(migrated, "SELECT count(*) FROM users") == 2
    assert one(migrated, "SELECT created_by FROM workspaces WHERE slug = 'aero'") is None
    assert one(migrated, "SELECT created_by FROM users WHERE id = md5('a2')::uuid") is None
    # The workspace's own rows are all there, the person's are not, as if the account had been deleted now.
    assert one(migrated, "SELECT count(*) FROM leads") == 6
    assert one(migrated, "SELECT count(*) FROM credit_usage") == 2
    assert one(migrated, "SELECT string_agg(DISTINCT name, ' ' ORDER BY name) FROM openinfo_kept.rows") == (
        "credit_usage export_jobs notification_preferences people_search_results saved_people_searches users"
    )


def test_without_its_place_a_way_back_makes_one_only_if_there_are_rows(before: str, pg_dump: PgDump) -> None:
    execute(before, "DROP SCHEMA openinfo_kept CASCADE")
    schema = pg_dump(before, "--schema-only")
    forward(before)
    back(before)
    assert pg_dump(before, "--schema-only") == schema
    forward(before)
    execute(before, AT_WORK)
    back(before)
    assert one(before, "SELECT count(*) FROM openinfo_kept.rows WHERE name = 'leads'") == 6
    assert one(before, "SELECT has_schema_privilege('authenticated', 'openinfo_kept', 'USAGE')") is False


def test_the_place_that_a_way_back_makes_is_left_on_purpose(before: str) -> None:
    async def look() -> Fingerprint:
        async with await PgSession.open(Dsn(before), application_name="test") as session:
            return await take(session, None, runbook())

    execute(before, "DROP SCHEMA openinfo_kept CASCADE")
    was = asyncio.run(look())
    forward(before)
    execute(before, AT_WORK)
    back(before)
    differences = compare(was, asyncio.run(look()))
    assert [one.object for one in differences] == ["openinfo_kept"]
    assert all(on_purpose(one, runbook()) for one in differences)


def test_what_is_kept_again_is_the_same(migrated: str) -> None:
    """Else a rehearsal on a copy of a database that has kept rows calls every way back lossy."""
    execute(migrated, AT_WORK)
    back(migrated)
    kept = contents(migrated, "openinfo_kept.rows")
    forward(migrated)
    back(migrated)
    assert contents(migrated, "openinfo_kept.rows") == kept


def test_every_name_of_the_migration_is_asked_for_before(migrated: str, before: str) -> None:
    taken = {row[1] for row in rows(migrated, (ROOT / "checks" / "names_taken.sql").read_text())}
    # The key of a table whose name is free gets a name that is free.
    made = rows(
        migrated,
        r"SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname !~ '_pkey$'",
    )
    assert {row[0] for row in made} - taken == set()
    assert holds(before, "names-free")
    execute(before, "CREATE TABLE users_old (auth_user_id uuid CONSTRAINT users_auth_user_id_key UNIQUE)")
    assert not holds(before, "names-free")


def test_the_place_for_kept_rows_is_the_same_whoever_makes_it(before: str, psql: Psql, pg_dump: PgDump) -> None:
    def place() -> str:
        return pg_dump(before, "--schema-only", "--schema=openinfo_kept")

    of_the_fixture = place()
    execute(before, "DROP SCHEMA openinfo_kept CASCADE")
    psql(before, ROOT / "checks" / "make_kept_place.sql")
    assert place() == of_the_fixture
    execute(before, "DROP SCHEMA openinfo_kept CASCADE")
    forward(before)
    execute(before, AT_WORK)
    back(before)
    assert place() == of_the_fixture


def test_the_guides_own_rollback_takes_keys_along_and_then_fails(migrated: str) -> None:
    """DROP TABLE … CASCADE and DROP FUNCTION, here for 001: why no way back here uses CASCADE."""
    keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    assert one(migrated, keys) == 36
    execute(migrated, "DROP TABLE IF EXISTS users CASCADE", "DROP TABLE IF EXISTS workspaces CASCADE")
    # What is left of them are those between tables that 001 has not made: nobody was told of the others.
    assert one(migrated, keys) == 3
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="policy Workspace isolation on table"):
        execute(migrated, "DROP FUNCTION IF EXISTS get_user_workspace_id")


def test_no_superuser_is_needed(before: str, pg_dump: PgDump) -> None:
    """Supabase's own postgres role is none: it may refer to the accounts, skips row security, acts as authenticated."""
    execute(
        before,
        """
        DO $$
        BEGIN
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'platform_owner') THEN
            CREATE ROLE platform_owner LOGIN BYPASSRLS;
          END IF;
          GRANT authenticated TO platform_owner;
          GRANT USAGE, CREATE ON SCHEMA public TO platform_owner;
          GRANT USAGE ON SCHEMA auth, storage TO platform_owner;
          GRANT SELECT, REFERENCES ON auth.users TO platform_owner;
          ALTER SCHEMA supabase_migrations OWNER TO platform_owner;
          ALTER TABLE supabase_migrations.schema_migrations OWNER TO platform_owner;
          ALTER SCHEMA openinfo_kept OWNER TO platform_owner;
          ALTER TABLE openinfo_kept.rows OWNER TO platform_owner;
        END
        $$
        """,
    )
    schema = pg_dump(before, "--schema-only")
    owner = make_conninfo(before, user="platform_owner")
    assert all(holds(owner, name) for name in ("may-make", "may-act-as-authenticated", "kept-place"))
    forward(owner)
    assert reds(owner, after=tuple(step.id for step in runbook().steps)) == []
    execute(before, AT_WORK)
    written = contents(before, *TABLES)
    assert reds(owner, after=("006",)) == []
    back(owner)
    assert pg_dump(before, "--schema-only") == schema
    forward(owner)
    assert contents(before, *TABLES) == written


def test_what_the_owner_must_have_is_asked_for_before(before: str) -> None:
    """Without each of these a step or a way back fails, or sees no account and puts nobody back."""
    execute(
        before,
        """
        DO $$
        BEGIN
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'platform_guest') THEN
            CREATE ROLE platform_guest LOGIN;
          END IF;
          ALTER ROLE platform_guest BYPASSRLS;
          GRANT authenticated TO platform_guest;
          GRANT CREATE ON SCHEMA public TO platform_guest;
          GRANT USAGE ON SCHEMA auth, openinfo_kept TO platform_guest;
          GRANT SELECT, REFERENCES ON auth.users TO platform_guest;
          GRANT SELECT ON openinfo_kept.rows TO platform_guest;
        END
        $$
        """,
    )
    guest = make_conninfo(before, user="platform_guest")
    assert not holds(guest, "kept-place")
    execute(before, "GRANT INSERT, UPDATE, DELETE ON openinfo_kept.rows TO platform_guest")
    assert holds(guest, "kept-place")
    assert holds(guest, "may-make")
    execute(before, "ALTER ROLE platform_guest NOBYPASSRLS")
    assert not holds(guest, "may-make")
    execute(before, "ALTER ROLE platform_guest BYPASSRLS")
    execute(before, f"REVOKE TEMPORARY ON DATABASE {one(before, 'SELECT current_database()')} FROM PUBLIC")
    assert not holds(guest, "may-make")
    assert holds(guest, "may-act-as-authenticated")
    execute(before, "TRUNCATE auth.users CASCADE")
    assert not holds(guest, "may-act-as-authenticated")


def test_where_the_cli_keeps_no_record_there_is_none(before: str) -> None:
    execute(before, "DROP SCHEMA supabase_migrations CASCADE")
    forward(before)
    assert reds(before, after=("end",)) == []
    back(before)


def test_a_project_without_accounts_is_proven_as_well(before: str) -> None:
    execute(before, "TRUNCATE auth.users CASCADE")
    forward(before)
    assert one(before, "SELECT count(*) FROM auth.users") == 0


def test_a_hole_in_the_isolation_stops_the_last_migration(before: str) -> None:
    forward(before, until="005")
    execute(before, "CREATE POLICY hole ON leads FOR SELECT TO authenticated USING (score IS NULL)")
    with (
        psycopg.connect(before, autocommit=True) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="leads: a member sees 2 rows, 1 of them of another"),
    ):
        run_script(connection, runbook().step("006").sql)
    assert one(before, "SELECT count(*) FROM workspaces") == 0
    assert one(before, "SELECT to_regclass('public.integrations')") is None


def rehearse(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tui", "rehearse", "openinfo", *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("major", MAJORS)
def test_the_way_back_is_proven_from_every_stop_point(major: int) -> None:
    done = rehearse("--server", str(major), "--scale", "0.001", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["server"] // 10000 == major
    assert {step["rollback"] for step in found["steps"]} == {"proven"}
    assert {way["verdict"] for way in found["ways_back"]} == {"proven"}
    assert len(found["ways_back"]) == 13
    # What the application meets: the accounts are locked against writing, and nothing that was there is rewritten.
    assert {"relation": "auth.users", "mode": "SHARE ROW EXCLUSIVE"} in found["steps"][0]["locks"]
    assert all(step["rewrites"] == [] for step in found["steps"])


def test_no_file_is_forgotten() -> None:
    """Every script of the folder is used by the runbook, by another script or named for a human."""
    text = (ROOT / "runbook.toml").read_text() + "".join(
        path.read_text() for path in (*ROOT.glob("steps/*.sql"), *ROOT.glob("rollback/*.sql"))
    )
    for path in ROOT.glob("*/*.sql"):
        if path.parent.name not in ("fixture", "traffic"):
            assert path.name in text, Path(path.parent.name) / path.name
