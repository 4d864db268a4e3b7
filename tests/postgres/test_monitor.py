"""The monitor against real servers: every file runs, names and text are right, and what fails blanks nothing else."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from sessions import Stage

from tui.paths import sql_root
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.monitor import Monitor
from tui.postgres.queries import load
from tui.postgres.rows import Look, Session
from tui.postgres.session import Dsn

PARAMETERS: dict[str, dict[str, object]] = {
    "blocking": {"pids": [1, 2]},
    "locks": {"pids": [1], "involved": [2]},
    "relations": {"oids": [1259]},
    "objects": {"classes": [2615], "objects": [2200]},
    "held": {"names": ["users", 'dev."Users"']},
}
NAMES = sorted({path.stem.partition("@")[0] for path in (sql_root() / "monitor").glob("*.sql")})


@pytest.fixture
async def stage(database: str) -> AsyncIterator[Stage]:
    async with Stage(database) as stage:
        yield stage


@pytest.fixture
def plain_role(server18: EmbeddedServer, database: str) -> Iterator[str]:
    """The DSN of the test's database for a role with no rights but to connect."""
    with psycopg.connect(server18.dsn(), autocommit=True) as admin:
        admin.execute("CREATE ROLE plain LOGIN")
        try:
            yield str(Dsn(database).with_(user="plain"))
        finally:
            admin.execute("DROP ROLE plain")


def session_of(look: Look, pid: int) -> Session:
    return next(session for session in look.sessions if session.pid == pid)


@pytest.mark.parametrize("name", NAMES)
async def test_every_file_runs_on_every_server(any_server: EmbeddedServer, name: str) -> None:
    async with await psycopg.AsyncConnection.connect(any_server.dsn(), autocommit=True) as connection:
        text = load(f"monitor/{name}", connection.info.server_version)
        await connection.execute(text, PARAMETERS.get(name))


@pytest.mark.parametrize(
    ("version", "suffix"), [(140000, ""), (150018, "@15"), (160014, "@16"), (170000, "@17"), (180004, "@17")]
)
def test_the_highest_suffix_that_the_server_reached_wins(version: int, suffix: str) -> None:
    name = "fingerprint/objects/subscriptions"
    assert load(name, version) == (sql_root() / f"{name}{suffix}.sql").read_bytes()


def test_percent_signs_are_doubled_only_beside_parameters() -> None:
    assert b"LIKE 'waiting for %'" in load("monitor/progress", 160000)
    assert b"%(pids)s" in load("monitor/locks", 160000)


async def test_a_look_sees_everything_on_every_server(any_database: str) -> None:
    async with Stage(any_database) as stage:
        app = await stage.app("web", "CREATE TABLE t (id int)", "BEGIN", "INSERT INTO t VALUES (1)")
        look = await stage.monitor.look([app.pid])
        assert look.missing == ()
        session = session_of(look, app.pid)
        assert (session.application_name, session.state) == ("web", "idle in transaction")
        assert session.query == "INSERT INTO t VALUES (1)"
        assert session.backend_xid is not None
        assert session.transaction_seconds is not None
        assert session.transaction_seconds >= 0
        assert stage.monitor.backend_pid not in {s.pid for s in look.sessions}
        assert ("t", "RowExclusiveLock") in {(lock.relation, lock.mode) for lock in look.locks}
        counters = look.counters
        assert counters is not None
        assert counters.wal_bytes is not None
        assert counters.connections is not None
        assert 2 <= counters.connections <= counters.max_connections
        assert not counters.in_recovery


async def test_no_locks_are_read_when_nobody_waits_and_nobody_asks(stage: Stage) -> None:
    await stage.app("web", "BEGIN", "CREATE TABLE t (id int)")
    assert (await stage.monitor.look()).locks == ()


async def test_a_relation_of_an_open_transaction_is_new_and_gets_its_name_at_commit(stage: Stage) -> None:
    app = await stage.app("us", "BEGIN", "CREATE TABLE made (id int)")
    look = await stage.monitor.look([app.pid])
    assert any(lock.relation.startswith("new relation (oid ") for lock in look.locks)
    await app.run("COMMIT", "BEGIN", "LOCK TABLE made")
    await stage.until(lambda look: "made" in {lock.relation for lock in look.locks}, app.pid)


async def test_a_rename_shows(stage: Stage) -> None:
    app = await stage.app("us", "CREATE TABLE before (id int)", "BEGIN", "LOCK TABLE before")
    assert "before" in {lock.relation for lock in (await stage.monitor.look([app.pid])).locks}
    await app.run("ALTER TABLE before RENAME TO after", "COMMIT", "BEGIN", "LOCK TABLE after")
    look = await stage.until(lambda look: "after" in {lock.relation for lock in look.locks}, app.pid)
    assert "before" not in {lock.relation for lock in look.locks}


async def test_schemas_and_odd_names_are_written_as_postgresql_writes_them(stage: Stage) -> None:
    app = await stage.app("us", "CREATE SCHEMA private", 'CREATE TABLE private."A \x1b[31m[red]b" (id int)', "BEGIN")
    await app.run('LOCK TABLE private."A \x1b[31m[red]b"', "CREATE TABLE private.made (id int)")
    relations = {lock.relation for lock in (await stage.monitor.look([app.pid])).locks}
    assert 'private."A ·[31m[red]b"' in relations
    assert "schema private" in relations


async def test_hostile_text_comes_in_harmless_and_short(stage: Stage) -> None:
    app = await stage.app("[b]\x1b]0;owned\x07\u202eevil", "SET application_name = E'[b]\x1b[31m\u202e'")
    await app.run("SELECT '\x1b[2J\u202e[red]\u200b" + "é" * 10_000 + "'\n\t-- second line")
    session = session_of(await stage.monitor.look(), app.pid)
    assert "\x1b" not in session.application_name
    assert session.query.startswith("SELECT '·[2J·[red]·é")
    assert len(session.query.encode()) <= 2_003
    short = await stage.app("web", "SELECT 1\n\t, 2")
    assert session_of(await stage.monitor.look(), short.pid).query == "SELECT 1\n\t, 2"


async def test_the_text_of_a_database_in_another_encoding_does_not_stop_the_monitor(
    server18: EmbeddedServer, stage: Stage
) -> None:
    async with await psycopg.AsyncConnection.connect(server18.dsn(), autocommit=True) as admin:
        await admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        try:
            dsn = server18.dsn("latin")
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as other:
                await other.execute("SELECT 'né'")
                look = await stage.monitor.look()
                assert session_of(look, other.info.backend_pid).query == "SELECT 'n�'"
                assert look.missing == ()
            monitor = Monitor(Dsn(dsn))
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as other:
                await other.execute("SELECT 'né'")
                look = await monitor.look()
                await monitor.close()
                assert session_of(look, other.info.backend_pid).query == "SELECT 'né'"
        finally:
            await admin.execute("DROP DATABASE latin WITH (FORCE)")


async def test_locks_of_another_database_are_named_by_oid(server18: EmbeddedServer, stage: Stage) -> None:
    dsn = server18.create_database("elsewhere")
    try:
        await stage.app("web", "CREATE TABLE far (id int)", "BEGIN", "LOCK TABLE far", dsn=dsn)
        await stage.waiter("web", "SELECT * FROM far", dsn=dsn)
        look = await stage.monitor.look()
        assert all(
            lock.relation.startswith("oid ") and lock.relation.endswith(" in elsewhere")
            for lock in look.locks
            if lock.locktype == "relation"
        )
        assert len(look.blocking) == 1
    finally:
        await stage.leave()
        server18.drop_database("elsewhere")


async def test_a_locked_catalog_delays_a_look_and_does_not_hang_it(stage: Stage) -> None:
    await stage.monitor.look()
    blocker = await stage.app("web", "BEGIN", "LOCK TABLE pg_catalog.pg_database, pg_catalog.pg_class")
    started = time.monotonic()
    look = await stage.monitor.look([blocker.pid])
    assert time.monotonic() - started < 4
    assert {source.why for source in look.missing} == {"a catalog is locked"}
    assert look.replicas == ()
    await blocker.run("ROLLBACK")
    await stage.until(lambda look: look.missing == () and look.sessions != (), blocker.pid)


async def test_a_source_that_is_not_permitted_says_so_once_and_blanks_nothing(stage: Stage, plain_role: str) -> None:
    owner = await stage.app("dba", "REVOKE EXECUTE ON FUNCTION pg_stat_get_wal_senders() FROM public")
    monitor = Monitor(Dsn(plain_role))
    try:
        first = await monitor.look()
        assert [(source.name, source.why) for source in first.missing] == [("replication", "not permitted")]
        assert first.counters is not None
        await owner.run("GRANT EXECUTE ON FUNCTION pg_stat_get_wal_senders() TO public")
        assert (await monitor.look()).missing == first.missing
    finally:
        await monitor.close()


async def test_without_rights_the_waits_are_still_seen(stage: Stage, plain_role: str) -> None:
    holder = await stage.app("web", "CREATE TABLE t (id int)", "BEGIN", "LOCK TABLE t")
    waiter = await stage.waiter("web", "SELECT * FROM t")
    monitor = Monitor(Dsn(plain_role))
    try:
        look = await monitor.look()
    finally:
        await monitor.close()
    assert session_of(look, waiter.pid).wait_event_type == ""
    assert look.blocking == {waiter.pid: (holder.pid,)}


async def test_a_lost_connection_is_said_and_made_again(stage: Stage) -> None:
    await stage.monitor.look()
    app = await stage.app("dba")
    await app.run(f"SELECT pg_terminate_backend({stage.monitor.backend_pid})")
    lost = await stage.until(lambda look: look.missing != ())
    assert [source.name for source in lost.missing] == ["monitor"]
    assert not lost.has("activity")
    back = await stage.until(lambda look: look.missing == ())
    assert back.sessions != ()


async def test_no_server_is_said_in_words() -> None:
    monitor = Monitor(Dsn("host=/nonexistent dbname=x password=secret"))
    look = await monitor.look()
    assert [source.name for source in look.missing] == ["monitor"]
    assert "secret" not in look.missing[0].why
    assert (await monitor.look()).missing == look.missing
    await monitor.close()


async def test_a_server_that_hangs_is_let_go_of_at_once(stage: Stage) -> None:
    await stage.monitor.look()
    pid = stage.monitor.backend_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        look = asyncio.create_task(stage.monitor.look())
        await asyncio.wait([look], timeout=0.1)
        assert not look.done()
        stage.monitor.hang_up()
        async with asyncio.timeout(1):
            assert [source.name for source in (await look).missing] == ["monitor"]
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_names_that_are_needed_are_not_forgotten(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.postgres.monitor._MOST_NAMES", 3)
    tables = [f"t{n}" for n in range(8)]
    app = await stage.app("dump", *(f"CREATE TABLE {name} ()" for name in tables), "BEGIN")
    await app.run(*(f"LOCK TABLE {name}" for name in tables), "COMMENT ON SCHEMA public IS 'x'")
    for _ in range(3):
        look = await stage.monitor.look([app.pid])
        shown = {lock.relation for lock in look.locks if lock.locktype in ("relation", "object")}
        assert shown >= {*tables, "schema public"}
        # As if they were old, and have to be read again.
        stage.monitor._read_names_at.update(dict.fromkeys(stage.monitor._read_names_at, 0.0))
