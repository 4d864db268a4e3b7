"""What became of a COMMIT of which nobody heard the answer: by the ledger, by the commit log, by a human."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from proxy import Hold, Proxy, When
from runbooks import Live, execute, one, opened, read, rows, until_true, write

from tui import cli
from tui.engine import events as e
from tui.engine import reading
from tui.engine.journal import runs_directory
from tui.engine.state import StepStatus
from tui.engine.status import as_object, look
from tui.postgres.session import Dsn

STEPS = {"1": "CREATE TABLE first (a int)", "2": "CREATE TABLE second (a int)"}
BACK = {"1": "DROP TABLE first", "2": "DROP TABLE second"}
SECOND = "SELECT to_regclass('second') IS NOT NULL"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write(tmp_path / "small", STEPS, BACK)


@pytest.fixture
def proxy(database: str) -> Iterator[Proxy]:
    with Proxy(database) as running:
        yield running


async def reached(hold: Hold) -> None:
    assert await asyncio.to_thread(hold.wait)


async def at_commit_of_2(live: Live, proxy: Proxy, when: When) -> tuple[asyncio.Task[int], Hold]:
    """Step 1 is applied, and step 2 at this moment of its COMMIT."""
    assert await live.to_end("1") == 0
    hold = proxy.hold("^COMMIT", when, "second")
    going = asyncio.create_task(live.to_end())
    await reached(hold)
    return going, hold


def statuses(live: Live) -> list[str]:
    return [step.status.value for step in live.state.steps]


async def test_an_answer_that_is_lost_is_found_in_the_ledger(book: Path, proxy: Proxy, database: str) -> None:
    async with opened(book, proxy.dsn()) as live:
        going, hold = await at_commit_of_2(live, proxy, "after")
        hold.lose()
        assert await going == 0
        assert live.last(e.ScriptFailed).outcome == "in_doubt"
        assert statuses(live) == ["applied", "applied"]
        told = live.last(e.LedgerRead)
        assert (told.commit, told.exists) == ("committed", True)
        intent = live.all(e.CommitIntended)[-1]
        assert told.intent == intent
    assert one(database, SECOND) is True
    written = rows(database, "SELECT transaction_id::text FROM lockstep.act WHERE step = '2'")
    assert written == [(str(intent.transaction_id),)]


async def test_a_commit_that_never_arrived_is_told_as_not_done(book: Path, proxy: Proxy, database: str) -> None:
    async with opened(book, proxy.dsn()) as live:
        going, hold = await at_commit_of_2(live, proxy, "before")
        hold.lose()
        assert await going == 1
        assert live.last(e.LedgerRead).commit == "aborted"
        assert statuses(live) == ["applied", "pending"]
        assert one(database, SECOND) is False
        assert await live.to_end() == 0
        assert one(database, SECOND) is True


async def test_a_commit_under_way_is_waited_for(book: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has it and waits for a standby that is not there; the console is gone meanwhile."""
    # It lasts until the standby is let go, however patient we are before we say so.
    monkeypatch.setattr(reading, "_ENDS_WITHIN", 0.5)
    runbook = read(book)
    with Proxy(database) as proxy:
        async with opened(book, proxy.dsn()) as live:
            assert await live.to_end("1") == 0
            execute(database, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
            try:
                hold = proxy.hold("^COMMIT", "passed", "second")
                going = asyncio.create_task(live.to_end())
                await reached(hold)
                waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                await until_true(database, waits)
                proxy.cut()
                await live.until(e.ScriptFailed)
                state = await look(runbook, Dsn(database))
                assert as_object(state)["under_way"] is not None
                assert state.exit_code == 5
            finally:
                execute(database, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
            assert await going == 0
            assert statuses(live) == ["applied", "applied"]
    assert (await look(runbook, Dsn(database))).exit_code == 0


async def test_without_the_journal_the_ledger_tells(book: Path, proxy: Proxy, database: str) -> None:
    async with opened(book, proxy.dsn()) as live:
        going, hold = await at_commit_of_2(live, proxy, "after")
        shutil.rmtree(runs_directory())
        hold.lose()
        await asyncio.wait([going])
    async with opened(book, database, operator="dba2") as again:
        assert statuses(again) == ["applied", "applied"]


async def test_without_the_ledger_the_commit_log_tells(book: Path, proxy: Proxy, database: str) -> None:
    """The first step of all, so that the ledger held nothing else; afterwards it holds the row again."""
    async with opened(book, proxy.dsn()) as live:
        hold = proxy.hold("^COMMIT", "after", "CREATE TABLE first")
        going = asyncio.create_task(live.to_end("1"))
        await reached(hold)
        execute(database, "DROP SCHEMA lockstep CASCADE")
        hold.lose()
        assert await going == 0
        told = live.last(e.LedgerRead)
        assert (told.commit, told.exists) == ("committed", False)
        assert statuses(live) == ["applied", "pending"]
    assert rows(database, "SELECT step, direction FROM lockstep.act") == [("1", "forward")]
    assert one(database, "SELECT note LIKE 'written again%' FROM lockstep.act") is True
    async with opened(book, database) as again:
        assert statuses(again) == ["applied", "pending"]
        assert await again.to_end() == 0


async def test_without_the_ledger_an_aborted_commit_is_known_too(book: Path, proxy: Proxy, database: str) -> None:
    async with opened(book, proxy.dsn()) as live:
        hold = proxy.hold("^COMMIT", "before", "CREATE TABLE first")
        going = asyncio.create_task(live.to_end("1"))
        await reached(hold)
        hold.lose()
        assert await going == 1
        assert live.last(e.LedgerRead).commit == "aborted"
        assert statuses(live) == ["pending", "pending"]


async def applied_to_the_end(book: Path, database: str) -> list[str]:
    """How the steps stand at the opening; then it goes on to its end."""
    async with opened(book, database) as live:
        before = statuses(live)
        assert await live.to_end() == 0
        return before


@pytest.mark.parametrize("applied", [True, False])
def test_where_nobody_can_know_a_human_settles_it(
    book: Path, database: str, applied: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger is dropped after two steps: the journal alone knows of them. A restored database looks the same."""
    assert asyncio.run(applied_to_the_end(book, database)) == ["pending", "pending"]
    execute(database, "DROP SCHEMA lockstep CASCADE")
    if not applied:
        execute(database, "DROP TABLE first, second")
    name, where = str(book), ["-d", database]
    assert cli.run(["status", name, *where]) == 5
    told = capsys.readouterr().out
    assert "in doubt" in told
    assert f"lockstep settle {name} 1 applied --reason" in told
    assert f"lockstep settle {name} 1 not-applied --reason" in told
    assert cli.run(["run", name, *where, "--yes"]) == 5
    assert one(database, SECOND) is applied
    word = "applied" if applied else "not-applied"
    for step, code in (("1", 5), ("2", 0)):
        assert cli.run(["settle", name, step, word, *where, "--reason", "I looked"]) == code
    assert rows(database, "SELECT DISTINCT note, script FROM lockstep.act") == [("I looked", "settle")]
    assert asyncio.run(applied_to_the_end(book, database)) == (["applied"] * 2 if applied else ["pending"] * 2)
    assert one(database, SECOND) is True


async def test_settling_needs_a_doubt_and_a_reason(book: Path, database: str) -> None:
    async with opened(book, database) as live:
        with pytest.raises(ValueError, match="1 is not in doubt: it is pending"):
            await live.run.settle("1", applied=True, reason="because")
        with pytest.raises(ValueError, match="reason"):
            await live.run.settle("1", applied=True, reason="  ")
        assert live.state.step("1").status is StepStatus.PENDING
