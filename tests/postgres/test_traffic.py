"""The demo's application: it fails as an application does, goes on, and is never left behind."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tui.postgres.embedded import EmbeddedServer
from tui.postgres.traffic import Traffic, TrafficError, TrafficStats, load_traffic

TOML = """
deploy = "deploy-code"
[[session]]
application_name = "web"
role = "traffic_user"
count = 3
pause = ["5ms", "20ms"]
before = "web_before.sql"
after = "web_after.sql"
[[session]]
application_name = "cron"
role = "traffic_user"
transaction = false
pause = ["20ms", "20ms"]
before = "cron.sql"
[[session]]
application_name = "report"
role = "traffic_user"
before = "report.sql"
hold = "1h"
"""
SCHEMA = """
DO $$ BEGIN
    CREATE ROLE traffic_user LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
CREATE TABLE agents (id int PRIMARY KEY, seen int NOT NULL DEFAULT 0);
CREATE TABLE reports (id int);
CREATE TABLE ticks (n int);
INSERT INTO agents SELECT generate_series(1, 100);
GRANT ALL ON agents, reports, ticks TO traffic_user;
"""
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'traffic_user'"


@pytest.fixture
def fixture(tmp_path: Path) -> Path:
    """A fixture's directory with traffic on `agents`, which the new application calls `users`."""
    files = {
        "traffic.toml": TOML,
        "web_before.sql": "INSERT INTO ticks VALUES (1); UPDATE agents SET seen = seen + 1 WHERE id % 7 = 1;",
        "web_after.sql": "SELECT count(*) FROM users WHERE seen % 2 = 0;",
        "cron.sql": "INSERT INTO ticks VALUES (2);\nSELECT 'a;b' FROM agents LIMIT 1;\n",
        "report.sql": "SELECT count(*) FROM reports;",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


class Watched:
    """Running traffic whose reports can be awaited."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[TrafficStats] = asyncio.Queue()
        self.traffic = Traffic(self.reports.put_nowait)

    async def until(self, holds: Callable[[TrafficStats], bool]) -> TrafficStats:
        async with asyncio.timeout(20):
            while not holds(stats := await self.reports.get()):
                pass
        return stats


@asynccontextmanager
async def running(dsn: str, fixture: Path) -> AsyncIterator[Watched]:
    watched = Watched()
    await watched.traffic.start(dsn, fixture)
    try:
        yield watched
    finally:
        await watched.traffic.stop()


@asynccontextmanager
async def operator(dsn: str) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield connection


async def one(connection: psycopg.AsyncConnection[tuple[Any, ...]], query: str) -> Any:
    row = await (await connection.execute(query.encode())).fetchone()
    return row[0] if row else None


async def no_session_left(connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
    async with asyncio.timeout(10):
        while await one(connection, SESSIONS):  # noqa: ASYNC110 (no event tells it)
            await asyncio.sleep(0.02)


async def no_process_left(pid: int) -> None:
    with suppress(ProcessLookupError):
        async with asyncio.timeout(10):
            while True:
                os.kill(pid, 0)
                await asyncio.sleep(0.02)


@pytest.fixture
def loaded(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA)
    return database


async def test_the_sessions_are_those_of_the_plan(loaded: str, fixture: Path) -> None:
    async with running(loaded, fixture) as watched, operator(loaded) as connection:
        stats = await watched.until(lambda stats: stats.sessions == 5 and stats.ok > 20)
        cursor = await connection.execute(
            """SELECT application_name, usename, count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid() GROUP BY 1, 2 ORDER BY 1"""
        )
        found = await cursor.fetchall()
        holds = "SELECT string_agg(l.mode, ',') FROM pg_locks l WHERE l.relation = 'reports'::regclass"
        assert await one(connection, holds) == "AccessShareLock"
        pid = watched.traffic.pid
        assert pid is not None
        await watched.traffic.stop()
        assert watched.traffic.pid is None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert found == [("cron", "traffic_user", 1), ("report", "traffic_user", 1), ("web", "traffic_user", 3)]
    assert (stats.failed, stats.last_error, stats.deployed) == (0, None, False)


async def test_the_old_application_fails_until_the_deploy_and_the_new_one_after_the_way_back(
    loaded: str, fixture: Path
) -> None:
    async with running(loaded, fixture) as watched, operator(loaded) as connection:
        await watched.until(lambda stats: stats.ok > 20)
        await connection.execute("ALTER TABLE agents RENAME TO users")
        stats = await watched.until(lambda stats: stats.failed > 3 and stats.ok == 0)
        assert stats.last_error == 'relation "agents" does not exist'
        assert stats.sessions == 5
        await watched.traffic.deploy()
        stats = await watched.until(lambda stats: stats.deployed and stats.ok > 20)
        await connection.execute("ALTER TABLE users RENAME TO agents")
        stats = await watched.until(lambda stats: stats.failed > 3 and 'relation "users"' in (stats.last_error or ""))
        assert stats.deployed
        await watched.traffic.undeploy()
        await watched.until(lambda stats: not stats.deployed and stats.ok > 20 and stats.failed == 0)


async def test_a_round_is_one_transaction_unless_said_otherwise(loaded: str, fixture: Path) -> None:
    async with operator(loaded) as connection:
        await connection.execute("ALTER TABLE agents RENAME TO users")
        async with running(loaded, fixture) as watched:
            await watched.until(lambda stats: stats.failed > 3)
            await watched.until(lambda stats: stats.failed > 3)
        assert await one(connection, "SELECT count(*) FROM ticks WHERE n = 1") == 0
        assert await one(connection, "SELECT count(*) FROM ticks WHERE n = 2") > 0


async def test_terminating_the_holder_frees_its_lock_for_long(loaded: str, fixture: Path) -> None:
    async with running(loaded, fixture) as watched, operator(loaded) as connection:
        await watched.until(lambda stats: stats.sessions == 5)
        terminated = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'report'"
        assert await one(connection, terminated)
        await connection.execute("SET lock_timeout = '5s'; LOCK TABLE reports")
        stats = await watched.until(lambda stats: stats.sessions == 4)
        assert "connection" in (stats.last_error or "")
        # Two more seconds of the others' work, in which a session that comes straight back would be there.
        for _ in range(2):
            assert (await watched.until(lambda stats: stats.ok > 0)).sessions == 4


async def test_a_terminated_worker_comes_back(loaded: str, fixture: Path) -> None:
    async with running(loaded, fixture) as watched, operator(loaded) as connection:
        await watched.until(lambda stats: stats.sessions == 5)
        terminated = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'web'"
        assert await one(connection, terminated) == 3
        await watched.until(lambda stats: stats.failed >= 3)
        await watched.until(lambda stats: stats.sessions == 5 and stats.failed == 0 and stats.ok > 20)


async def test_it_outlives_a_restart_of_the_server(fixture: Path) -> None:
    async with EmbeddedServer() as server:
        dsn = server.create_database("app")
        async with operator(dsn) as connection:
            await connection.execute(SCHEMA)
        async with running(dsn, fixture) as watched:
            await watched.until(lambda stats: stats.sessions == 5)
            await asyncio.to_thread(server.halt, "immediate")
            stats = await watched.until(lambda stats: stats.sessions == 0 and stats.failed > 0)
            assert stats.last_error
            await asyncio.to_thread(server.start)
            await watched.until(lambda stats: stats.sessions == 4 and stats.ok > 20)


async def test_a_long_query_of_its_own_does_not_hold_up_the_end(loaded: str, fixture: Path) -> None:
    async with operator(loaded) as connection:
        await connection.execute("BEGIN; LOCK TABLE agents")
        async with running(loaded, fixture) as watched:
            await watched.until(lambda stats: stats.sessions == 5)
            await asyncio.wait_for(watched.traffic.stop(), 3)
        await connection.execute("ROLLBACK")
        await no_session_left(connection)


async def test_the_death_of_its_process_is_told(loaded: str, fixture: Path) -> None:
    async with running(loaded, fixture) as watched:
        await watched.until(lambda stats: stats.sessions == 5)
        assert watched.traffic.pid is not None
        os.kill(watched.traffic.pid, 9)
        stats = await watched.until(lambda stats: stats.sessions == 0)
        assert stats.last_error == "the traffic process ended with -9"
        await watched.traffic.deploy()


async def test_it_ends_with_the_console(loaded: str, fixture: Path) -> None:
    console = f"""
import asyncio, pathlib
from tui.postgres.traffic import Traffic
async def main():
    traffic = Traffic(lambda stats: print(traffic.pid, stats.sessions, flush=True))
    await traffic.start({loaded!r}, pathlib.Path({str(fixture)!r}))
    await asyncio.Event().wait()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", console, stdout=subprocess.PIPE)
    assert process.stdout is not None
    pid, sessions = (await process.stdout.readline()).split()
    assert int(sessions) > 0
    process.kill()
    await process.wait()
    async with operator(loaded) as connection:
        await no_session_left(connection)
    await no_process_left(int(pid))


async def test_a_fixture_without_traffic_starts_nothing(database: str, tmp_path: Path) -> None:
    traffic = Traffic()
    assert await traffic.start(database, tmp_path) is None
    assert traffic.pid is None
    await traffic.deploy()
    await traffic.stop()


async def test_a_password_does_not_get_into_the_process_list(fixture: Path) -> None:
    with pytest.raises(ValueError, match="password"):
        await Traffic().start("postgresql://a:secret@localhost/app", fixture)


def test_the_plan_is_read_whole(fixture: Path) -> None:
    plan = load_traffic(fixture)
    assert plan is not None
    assert plan.deploy == "deploy-code"
    web, cron, report = plan.session
    assert (web.count, web.pause, web.transaction, web.hold) == (3, (0.005, 0.02), True, None)
    assert cron.before == ("INSERT INTO ticks VALUES (2)", "SELECT 'a;b' FROM agents LIMIT 1")
    assert (cron.after, report.hold) == (None, 3600.0)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('deploy = "deploy-code"', "deploy = ", "Invalid value"),
        ("count = 3", "count = 0", "session.0.count"),
        ("count = 3", "cuont = 3", "session.0.cuont: Extra inputs are not permitted"),
        ('"5ms"', '"5 parsecs"', "not a duration"),
        ('["5ms", "20ms"]', '["20ms", "5ms"]', "goes from long to short"),
        ('["5ms", "20ms"]', "[1, 2]", "write it in quotes"),
        ('"web_after.sql"', '"missing.sql"', "missing.sql: "),
        ('"web_after.sql"', '"empty.sql"', "empty.sql holds no statement"),
        ('"web_after.sql"', '"open.sql"', "open.sql: "),
        ('"web_after.sql"', '"latin.sql"', "latin.sql: "),
    ],
)
def test_a_faulty_file_is_refused_by_name(fixture: Path, old: str, new: str, told: str) -> None:
    (fixture / "empty.sql").write_text("-- nothing\n")
    (fixture / "open.sql").write_text("SELECT 'open")
    (fixture / "latin.sql").write_bytes(b"SELECT '\xe9'")
    (fixture / "traffic.toml").write_text(TOML.replace(old, new, 1))
    with pytest.raises(TrafficError) as caught:
        load_traffic(fixture)
    assert str(caught.value).startswith(str(fixture / "traffic.toml"))
    assert told in str(caught.value)
