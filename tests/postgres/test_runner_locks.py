"""Locks that others hold, and others who wait behind us: give back, wait, try again, never a pile-up."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from runbooks import Live, one, opened, session, until_true, write

from tui.engine import events as e
from tui.engine import job, runner

ALTER = "ALTER TABLE t ADD c int"
IN_OUR_WAY = (
    "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass AND mode = 'AccessExclusiveLock'"
)


@pytest.fixture
def table(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a int PRIMARY KEY, b text)")
        connection.execute("INSERT INTO t SELECT n, 'x' FROM generate_series(1, 100) AS n")
    return database


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause between two tries is short."""
    monkeypatch.setattr(runner, "backoff", lambda attempt: 0.05)


@asynccontextmanager
async def holding(dsn: str, name: str = "billing_report") -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
    """A session idle in transaction with a lock on t."""
    async with session(dsn, name=name, autocommit=False) as holder:
        await holder.execute("SELECT * FROM t")
        yield holder


def safety(**changes: str) -> str:
    plain = {"lock_timeout": '"200ms"', "lock_retries": "10", **changes}
    return "[safety]\n" + "\n".join(f"{key} = {value}" for key, value in plain.items())


def test_the_pauses_grow_and_end_growing() -> None:
    for attempt, middle in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 10.0), (50, 10.0)):
        pauses = [job.backoff(attempt) for _ in range(200)]
        assert 0.75 * middle <= min(pauses) < max(pauses) <= 1.25 * middle


async def test_it_goes_through_after_the_holder_leaves(tmp_path: Path, table: str, at_once: None) -> None:
    async with (
        holding(table) as holder,
        opened(write(tmp_path, {"1": ALTER}, safety=safety(lock_timeout='"600ms"')), table) as live,
    ):
        going = asyncio.create_task(live.to_end())
        await live.until(e.ScriptStarted, lambda s: s.attempt == 3)
        await holder.rollback()
        assert await going == 0
        started, given = live.all(e.ScriptStarted), live.all(e.LocksGivenBack)
        assert [s.attempt for s in started] == list(range(1, len(started) + 1))
        assert {s.tries for s in started} == {11}
        assert [g.attempt for g in given] == list(range(1, len(started)))
        assert {(g.reason, g.detail) for g in given} == {("lock_timeout", "no lock within 0.6 s")}
        assert one(table, "SELECT count(*) FROM lockstep.act") == 1
        # The newest moment of every wait: who stood in our way, and what we wanted.
        waits = live.all(e.LockWaited)
        assert waits
        assert {w.wanted for w in waits} == {"ACCESS EXCLUSIVE on t"}
        blockers = {b for w in waits for b in w.blockers}
        assert {(b.pid, b.application_name, b.user, b.state, b.holds) for b in blockers} == {
            (holder.info.backend_pid, "billing_report", "postgres", "idle in transaction", "ACCESS SHARE on t")
        }
        assert all(b.transaction_seconds and b.transaction_seconds > 0 for b in blockers)
        assert live.state.waits == tuple(waits)


async def test_no_more_tries(tmp_path: Path, table: str, at_once: None) -> None:
    book = write(
        tmp_path, {"0": "SELECT 1", "1": f"INSERT INTO t VALUES (0); {ALTER}"}, safety=safety(lock_retries="2")
    )
    async with holding(table), opened(book, table) as live:
        assert await live.to_end() == 1
        failed = live.last(e.ScriptFailed)
        assert (failed.reason, failed.outcome) == ("locks", "rolled_back")
        assert failed.message == "gave way 3 times and stops here; the last time: no lock within 0.2 s"
        assert [s.attempt for s in live.all(e.ScriptStarted) if s.script == "1"] == [1, 2, 3]
        assert [s.status.value for s in live.state.steps] == ["applied", "failed"]
        assert one(table, "SELECT count(*) FROM t WHERE a = 0") == 0
        assert one(table, "SELECT string_agg(step, '') FROM lockstep.act") == "0"
        assert not live.state.busy
    async with opened(book, table) as again:
        assert await again.to_end() == 0


async def test_without_retries_there_is_one_try(tmp_path: Path, table: str) -> None:
    book = write(tmp_path, {"1": ALTER}, safety=safety(lock_retries="0"))
    async with holding(table), opened(book, table) as live:
        assert await live.to_end() == 1
        assert [(s.attempt, s.tries) for s in live.all(e.ScriptStarted)] == [(1, 1)]


async def test_cancelled_between_two_tries(tmp_path: Path, table: str) -> None:
    async with holding(table), opened(write(tmp_path, {"1": ALTER}, safety=safety()), table) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.LocksGivenBack)
        assert live.state.script is not None
        assert live.state.script.retry_at is not None
        started = time.monotonic()
        assert await live.run.cancel()
        assert await going == 1
        assert time.monotonic() - started < 0.5
        assert live.last(e.ScriptFailed).reason == "cancelled"
        assert live.state.step("1").status.value == "pending"


async def test_cancelled_while_it_waits(tmp_path: Path, table: str) -> None:
    book = write(tmp_path, {"1": ALTER}, safety=safety(lock_timeout='"20s"'))
    async with holding(table), opened(book, table) as live:
        going = asyncio.create_task(live.to_end())
        await until_true(table, IN_OUR_WAY)
        assert await live.run.cancel()
        assert await going == 1
        assert live.last(e.ScriptFailed).reason == "cancelled"
        assert not live.all(e.LocksGivenBack)


async def test_a_deadlock_is_tried_again(tmp_path: Path, table: str, at_once: None) -> None:
    script = "UPDATE t SET b = 'us' WHERE a = 1;\nSELECT pg_advisory_xact_lock(5);\n"
    book = write(tmp_path, {"1": script}, safety=safety(lock_timeout='"10s"', max_blocked_for='"10s"'))
    async with session(table, name="web", autocommit=False) as web, opened(book, table) as live:
        await web.execute("SET deadlock_timeout = '8s'")
        await web.execute("SELECT pg_advisory_lock(5)")
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda s: s.index == 2)
        waiting = asyncio.create_task(web.execute("UPDATE t SET b = 'web' WHERE a = 1"))
        given = await live.until(e.LocksGivenBack)
        assert given.reason == "deadlock"
        await waiting
        await web.execute("SELECT pg_advisory_unlock_all()")
        await web.commit()
        assert await going == 0
        assert one(table, "SELECT string_agg(DISTINCT b, '') FROM t WHERE a = 1") == "us"


@asynccontextmanager
async def queueing(dsn: str, count: int) -> AsyncIterator[list[asyncio.Task[float]]]:
    """So many sessions that read t, each once, as soon as we wait for it: how long each waited, in seconds."""

    async def read_once() -> float:
        async with session(dsn, name="web") as reader:
            await until_true(dsn, IN_OUR_WAY)
            started = time.monotonic()
            await reader.execute("SELECT count(*) FROM t")
            return time.monotonic() - started

    tasks = [asyncio.create_task(read_once()) for _ in range(count)]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_guard_counts_who_waits_behind_us(tmp_path: Path, table: str, at_once: None) -> None:
    limits = safety(lock_timeout='"15s"', max_blocked_sessions="3", max_blocked_for='"15s"', lock_retries="0")
    async with holding(table), opened(write(tmp_path, {"1": ALTER}, safety=limits), table) as live:
        going = asyncio.create_task(live.to_end())
        async with queueing(table, 6) as readers:
            assert await going == 1
            waited = await asyncio.gather(*readers)
        failed = live.last(e.ScriptFailed)
        assert failed.reason == "locks"
        assert "sessions wait behind us, 3 may" in failed.message
        assert live.last(e.LockWaited).queued > 3
        assert max(waited) < 3, waited


async def test_the_guard_measures_how_long_they_wait(tmp_path: Path, table: str, at_once: None) -> None:
    limits = safety(lock_timeout='"15s"', max_blocked_for='"400ms"')
    async with holding(table) as holder, opened(write(tmp_path, {"1": ALTER}, safety=limits), table) as live:
        going = asyncio.create_task(live.to_end())
        async with queueing(table, 2) as readers:
            given = await live.until(e.LocksGivenBack)
            waited = await asyncio.gather(*readers)
            await holder.rollback()
        assert await going == 0
        assert given.reason == "guard"
        assert "0.4 s is allowed" in given.detail
        assert max(waited) < 1.2, waited


async def test_the_guard_frees_those_who_wait_for_what_we_hold(tmp_path: Path, table: str, at_once: None) -> None:
    script = f"{ALTER};\nSELECT pg_sleep(CASE WHEN EXISTS (SELECT FROM pace) THEN 15 ELSE 0 END);\n"
    limits = safety(max_blocked_for='"400ms"')
    async with session(table) as other:
        await other.execute("CREATE TABLE pace (a int)")
        await other.execute("INSERT INTO pace VALUES (1)")
        async with opened(write(tmp_path, {"1": script}, safety=limits), table) as live:
            going = asyncio.create_task(live.to_end())
            await live.until(e.StatementStarted, lambda s: s.index == 2)
            started = time.monotonic()
            await other.execute("SELECT count(*) FROM t")
            assert time.monotonic() - started < 1.5
            await other.execute("DELETE FROM pace")
            assert await going == 0
            assert live.all(e.LocksGivenBack)[0].reason == "guard"


async def test_a_step_may_allow_more_than_the_runbook(tmp_path: Path, table: str, at_once: None) -> None:
    keys = {"1": 'safety = { lock_timeout = "15s", max_blocked_for = "30s", max_blocked_sessions = 100 }'}
    book = write(tmp_path, {"1": ALTER}, keys=keys, safety=safety(max_blocked_for='"100ms"', max_blocked_sessions="1"))
    async with holding(table) as holder, opened(book, table) as live:
        going = asyncio.create_task(live.to_end())
        async with queueing(table, 3) as readers:
            await until_true(table, "SELECT count(*) >= 4 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass")
            seen = asyncio.Event()
            live.run.watch(lambda sample: seen.set() if sample.tree.queued >= 3 else None)
            await asyncio.wait_for(seen.wait(), 5)
            assert not live.all(e.LocksGivenBack)
            await holder.rollback()
            assert await going == 0
            await asyncio.gather(*readers)


async def read_all_the_time(dsn: str, until: asyncio.Event) -> list[float]:
    """A session of the application's: what each of its reads cost, in seconds."""
    waited = []
    async with session(dsn, name="web") as reader:
        while not until.is_set():
            started = time.monotonic()
            await reader.execute("SELECT count(*) FROM t")
            waited.append(time.monotonic() - started)
            await asyncio.sleep(0.02)
    return waited


@pytest.mark.parametrize("lock_timeout", [0.5])
async def test_nobody_waits_longer_behind_us_than_the_runbook_allows(
    tmp_path: Path,
    table: str,
    lock_timeout: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "backoff", lambda attempt: 0.5)
    # Two statements that each have to wait: the server times each wait alone, the application feels their sum.
    script = f"{ALTER};\nALTER TABLE t ALTER b SET NOT NULL;\n"
    book = write(tmp_path, {"1": script}, safety=safety(lock_timeout=f'"{lock_timeout * 1000:g}ms"'))
    done = asyncio.Event()
    async with holding(table) as holder, opened(book, table) as live:
        readers = [asyncio.create_task(read_all_the_time(table, done)) for _ in range(15)]
        going = asyncio.create_task(live.to_end())
        tree: list[int] = []
        live.run.watch(lambda sample: tree.append(sample.tree.queued))
        await asyncio.sleep(5)  # how long the holder stays is what the figures are about
        await holder.rollback()
        assert await going == 0
        done.set()
        waited = [wait for one_reader in await asyncio.gather(*readers) for wait in one_reader]
    tries = len(live.all(e.ScriptStarted))
    print(f"longest wait {max(waited):.2f} s of {len(waited)} reads, {tries} tries, at most {max(tree)} queued")
    assert len(live.all(e.LocksGivenBack)) >= 2
    assert max(tree) > 0
    assert max(waited) <= lock_timeout + 0.5, (max(waited), len(waited), tell(live))


def tell(live: Live) -> list[str]:
    return [f"{g.attempt} {g.reason} {g.detail}" for g in live.all(e.LocksGivenBack)]


async def test_a_rollback_gives_way_too(tmp_path: Path, table: str, at_once: None) -> None:
    book = write(tmp_path, {"1": ALTER}, {"1": "ALTER TABLE t DROP c"}, safety=safety())
    async with opened(book, table) as live:
        assert await live.to_end() == 0
        async with holding(table) as holder:
            going = asyncio.create_task(live.run.roll_back(live.run.plan_rollback(None)))
            await live.until(e.LocksGivenBack)
            await holder.rollback()
            await going
        assert live.state.rolled_back


async def test_serialization_failures_are_tried_again(tmp_path: Path, table: str, at_once: None) -> None:
    script = (
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\nSELECT count(*) FROM t;\n"
        "SELECT pg_advisory_xact_lock_shared(6);\nUPDATE t SET b = 'us';\n"
    )
    book = write(tmp_path, {"1": script}, safety=safety(lock_timeout='"10s"'))
    async with session(table) as other, opened(book, table) as live:
        await other.execute("SELECT pg_advisory_lock(6)")
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda s: s.index == 3)
        await other.execute("UPDATE t SET b = 'web'")
        await other.execute("SELECT pg_advisory_unlock(6)")
        assert await going == 0, [f.message for f in live.all(e.ScriptFailed)]
        assert [g.reason for g in live.all(e.LocksGivenBack)] == ["serialization"]
