"""``--read-only``: a console that looks, and leaves nothing behind anywhere."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from runbooks import Live, execute, one, opened, read, rows, session, until_true, write
from standby import standby

from tui.engine import events as e
from tui.engine.connections import ONLOOKER, WrongTarget
from tui.engine.run import Run
from tui.engine.sample import Sample
from tui.engine.state import StepStatus
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn, StatementFailed

STEPS = {"1": "CREATE TABLE first (a int)", "2": "ALTER TABLE held ADD b int"}
ONLOOKERS = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{ONLOOKER}'"


@pytest.fixture
def book(tmp_path: Path, database: str) -> Path:
    execute(database, "CREATE TABLE held (a int)")
    return write(tmp_path / "small", STEPS)


@pytest.fixture
def onlooker(server18: EmbeddedServer, database: str) -> Iterator[str]:
    """The DSN of a role that may connect and nothing else."""
    name = str(one(database, "SELECT current_database()"))
    execute(
        database,
        "CREATE ROLE onlooker LOGIN",
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {name} TO onlooker",
    )
    yield server18.dsn(name, "onlooker")
    execute(database, "DROP OWNED BY onlooker", "DROP ROLE onlooker")


@asynccontextmanager
async def looking(book: Path, dsn: str) -> AsyncIterator[Live]:
    live = Live(Run(read(book), Dsn(dsn), operator_name="dba9", read_only=True))
    await live.run.open(watch=True)
    try:
        yield live
    finally:
        await live.run.close("done", 0)


async def sampled(live: Live, holds: Callable[[Sample], bool]) -> Sample:
    """The first sample from now on of which this holds."""
    found: asyncio.Future[Sample] = asyncio.get_running_loop().create_future()

    def look(sample: Sample) -> None:
        if holds(sample) and not found.done():
            found.set_result(sample)

    live.run.watch(look)
    async with asyncio.timeout(15):
        return await found


def left_behind() -> list[Path]:
    """What is under the state directory of this test."""
    return sorted(Path(os.environ["LOCKSTEP_STATE"]).rglob("*"))


async def test_nobody_has_it_and_it_is_not_taken(book: Path, database: str) -> None:
    async with looking(book, database) as live:
        seen = live.last(e.RunWatched)
        assert (seen.holder, seen.read_only) == (None, True)
        assert live.state.next_act().kind == "watch"
        assert live.run.journal_path is None
        with pytest.raises(AssertionError):
            await live.run.take_over()
        # Neither a lock nor a transaction id, nor an operator's connection; and the monitor beside it.
        ours = "pid IN (SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'lockstep %')"
        assert rows(database, f"SELECT locktype FROM pg_locks WHERE locktype = 'advisory' AND {ours}") == []
        names = "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'lockstep %' ORDER BY 1"
        assert rows(database, names) == [("lockstep monitor",), (ONLOOKER,)]
        # A second console takes the run in hand as if nobody looked.
        async with opened(book, database, operator="dba1") as first:
            await live.until(e.RunWatched, lambda seen: seen.holder is not None and seen.holder.operator == "dba1")
            assert await first.to_end("1") == 0
            await live.until(e.LedgerRead, lambda read: any(step.applied for step in read.steps))
            assert live.state.step("1").status is StepStatus.APPLIED
        await live.until(e.RunWatched, lambda seen: seen.holder is None and live.state.step("1").seconds is not None)
        assert live.state.next_act().kind == "watch"
        assert live.run.journal_path is None


async def test_it_leaves_nothing_behind(book: Path, database: str) -> None:
    async with looking(book, database):
        pass
    assert left_behind() == []
    assert one(database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'") == 0
    await until_true(database, f"SELECT ({ONLOOKERS}) = 0")


async def test_the_server_lets_it_write_nothing(book: Path, database: str) -> None:
    async with looking(book, database) as live:
        connections = live.run._connections
        assert connections is not None
        assert connections.operator is connections.runner
        with pytest.raises(StatementFailed, match="read-only transaction"):
            await connections.runner.execute("CREATE TABLE harm (a int)")


async def test_a_role_with_nothing_but_connect(book: Path, database: str, onlooker: str) -> None:
    async with looking(book, onlooker) as live:
        assert live.state.ledger is not None
        assert not live.state.ledger.exists
        assert live.state.step("1").status is StepStatus.PENDING


async def test_a_role_that_may_read_the_ledger(book: Path, database: str, onlooker: str) -> None:
    async with opened(book, database, operator="dba1") as first:
        assert await first.to_end("1") == 0
        with pytest.raises(StatementFailed, match="permission denied for schema lockstep"):
            async with looking(book, onlooker):
                pass
        execute(
            database,
            "GRANT USAGE ON SCHEMA lockstep TO onlooker",
            "GRANT SELECT ON ALL TABLES IN SCHEMA lockstep TO onlooker",
        )
        async with looking(book, onlooker) as live:
            assert live.state.step("1").status is StepStatus.APPLIED
            seen = live.last(e.RunWatched).holder
            assert seen is not None
            assert seen.operator == "dba1"


async def test_a_lost_connection_is_made_again(book: Path, database: str) -> None:
    async with looking(book, database) as live:
        execute(
            database, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{ONLOOKER}'"
        )
        await live.until(e.ServerAnswered, lambda answered: answered.back)
        assert one(database, ONLOOKERS) == 1
        async with opened(book, database, operator="dba1"):
            await live.until(e.RunWatched, lambda seen: seen.holder is not None)


async def test_the_locks_of_a_session_are_seen(book: Path, database: str) -> None:
    async with looking(book, database) as live, session(database, autocommit=False) as holder:
        await holder.execute("SELECT * FROM held")
        pid = holder.info.backend_pid
        live.run.look_at(pid)
        sample = await sampled(live, lambda sample: sample.looked_at == pid)
        assert "held" in {lock.relation for lock in sample.locks if lock.pid == pid}
        live.run.look_at(None)
        sample = await sampled(live, lambda sample: sample.looked_at is None)
        assert sample.locks == ()


async def test_a_standby_is_refused(book: Path, server18: EmbeddedServer) -> None:
    """There nobody's lock is seen: it would say that nobody has the run in hand."""
    with standby(server18) as replica, pytest.raises(WrongTarget, match="is a standby in recovery"):
        async with looking(book, replica.dsn()):
            pass
