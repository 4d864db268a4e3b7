"""A second console: it watches who has the run in hand, and takes it over when that one is gone."""

import asyncio
from pathlib import Path

import pytest
from runbooks import Live, execute, one, opened, read, session, write

from tui.engine import events as e
from tui.engine.connections import OtherOperator
from tui.engine.run import Run
from tui.engine.sample import Sample
from tui.engine.state import StepStatus
from tui.postgres.session import Dsn

STEPS = {"1": "CREATE TABLE first (a int)", "2": "ALTER TABLE held ADD b int"}
BACK = {"1": "DROP TABLE first", "2": "ALTER TABLE held DROP b"}
HOLDS = "application_name = 'lockstep operator: dba1'"
PATIENT = '[safety]\nlock_timeout = "60s"'


@pytest.fixture
def book(tmp_path: Path, database: str) -> Path:
    execute(database, "CREATE TABLE held (a int)")
    return write(tmp_path / "small", STEPS, BACK, safety=PATIENT)


async def watching(book: Path, dsn: str, operator: str = "dba2") -> Live:
    live = Live(Run(read(book), Dsn(dsn), operator_name=operator))
    await live.run.open(watch=True)
    return live


async def test_it_sees_who_has_it_and_how_far_that_one_is(book: Path, database: str) -> None:
    async with opened(book, database, operator="dba1") as first, session(database, autocommit=False) as holder:
        second = await watching(book, database)
        try:
            seen = second.last(e.RunWatched).holder
            assert seen is not None
            assert (seen.operator, seen.user) == ("dba1", "postgres")
            assert second.state.next_act().kind == "watch"
            assert await first.to_end("1") == 0
            await second.until(e.LedgerRead, lambda read: any(step.applied for step in read.steps))
            assert second.state.step("1").status is StepStatus.APPLIED
            await holder.execute("SELECT * FROM held")
            going = asyncio.create_task(first.to_end())
            pid = first.run.state.script.started.backend_pid if first.run.state.script else 0
            watched = await second.until(e.RunWatched, lambda seen: seen.script_pid is not None)
            assert watched.script_pid == pid
            await _tree_of(second, pid)
            await holder.rollback()
            assert await going == 0
            await second.until(e.LedgerRead, lambda read: sum(step.applied for step in read.steps) == 2)
            # Nothing of the watching one's own was written down.
            assert second.run.journal_path is None
        finally:
            await second.run.close("done", 0)


async def _tree_of(live: Live, pid: int) -> None:
    """Until the watching console's lock tree is that of this session's wait."""
    seen = asyncio.Event()

    def look(sample: Sample) -> None:
        if sample.tree.our_pid == pid and sample.tree.waiting_for_lock:
            seen.set()

    live.run.watch(look)
    await asyncio.wait_for(seen.wait(), 10)


async def test_it_takes_over_once_the_other_is_gone(book: Path, database: str) -> None:
    async with opened(book, database, operator="dba1") as first:
        assert await first.to_end("1") == 0
        second = await watching(book, database)
        try:
            with pytest.raises(OtherOperator, match="dba1 has small in hand"):
                await second.run.take_over()
            assert second.state.next_act().kind == "watch"
            execute(database, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {HOLDS}")
            await second.until(e.RunWatched, lambda seen: seen.holder is None)
            assert second.state.next_act().kind == "take_over"
            await second.run.take_over()
            assert second.state.watched is None
            assert second.state.operator == "dba2"
            assert second.run.journal_path is not None
            assert await second.to_end() == 0
            # The first one comes back too late.
            with pytest.raises(OtherOperator, match="dba2"):
                await first.run.go_on()
        finally:
            await second.run.close("done", 0)
    assert one(database, "SELECT string_agg(operator, ',' ORDER BY id) FROM lockstep.act") == "dba1,dba2"


async def test_without_leave_to_watch_it_is_refused(book: Path, database: str) -> None:
    async with opened(book, database, operator="dba1"):
        with pytest.raises(OtherOperator, match="dba1 has small in hand: session"):
            await Run(read(book), Dsn(database)).open()
