"""The sampler against a real server: its pace, its rates, its end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable

import pytest
from sessions import App, Stage

from tui.engine.guard import judge
from tui.engine.sample import Sample
from tui.engine.sampler import Sampler
from tui.postgres.session import Dsn
from tui.runbook.model import Safety


class Watched:
    """A sampler under way, and everything it saw."""

    def __init__(self, dsn: str) -> None:
        self.busy = False
        self.us: App | None = None
        self.own: frozenset[int] = frozenset()
        self.samples: list[Sample] = []
        self.sampler = Sampler(
            Dsn(dsn),
            self._see,
            our_pid=lambda: self.us.pid if self.us else None,
            busy=lambda: self.busy,
            own_pids=lambda: self.own,
        )
        self.task = asyncio.create_task(self.sampler.run())
        self._new = asyncio.Event()

    def _see(self, sample: Sample) -> None:
        self.samples.append(sample)
        self._new.set()

    async def next(self, true: Callable[[Sample], bool] = lambda _: True) -> Sample:
        """The first sample from now on of which this is true."""
        async with asyncio.timeout(10):
            while True:
                self._new.clear()
                await self._new.wait()
                if true(self.samples[-1]):
                    return self.samples[-1]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def stage(any_database: str) -> AsyncIterator[Stage]:
    async with Stage(any_database) as stage:
        await stage.app("setup", "CREATE TABLE t (id int, v int)")
        yield stage


@pytest.fixture
async def watched(stage: Stage) -> AsyncIterator[Watched]:
    watched = Watched(stage.dsn)
    yield watched
    await watched.stop()


@pytest.fixture
async def watched18(database: str) -> AsyncIterator[Watched]:
    """On the newest server alone, for what is our own: the pace."""
    watched = Watched(database)
    yield watched
    await watched.stop()


async def test_the_first_sample_comes_at_once_and_the_next_after_a_second(watched18: Watched) -> None:
    first = await watched18.next()
    assert watched18.sampler.last is first
    assert first.missing == ()
    assert first.wal_rate is None
    second = await watched18.next()
    # However busy the machine is, it comes no sooner.
    assert (second.at - first.at).total_seconds() > 0.8


async def test_four_a_second_while_busy(watched18: Watched) -> None:
    await watched18.next()
    watched18.busy = True
    watched18.sampler.wake()
    times = [(await watched18.next()).at for _ in range(5)]
    assert (times[-1] - times[0]).total_seconds() > 0.8
    # A busy machine may miss a tick, not all of them.
    async with asyncio.timeout(10):
        while (times[-1] - times[-2]).total_seconds() > 0.4:
            times.append((await watched18.next()).at)


async def test_rates_are_those_of_the_application_alone(stage: Stage, watched: Watched) -> None:
    watched.busy = True
    await watched.next()
    # The server's own autovacuum may come by: it is not ours either.
    await watched.next(lambda sample: sample.transaction_rate is not None and sample.transaction_rate < 5)
    writer = await stage.app("web")
    before = len(watched.samples)
    # A backend reports its transactions once a second, so the writer has to write for longer.
    while len(watched.samples) < before + 12:
        await writer.run("INSERT INTO t SELECT 1, 1 FROM generate_series(1, 100)")
    assert max(sample.transaction_rate or 0 for sample in watched.samples[before:]) > 100
    assert max(sample.wal_rate or 0 for sample in watched.samples[before:]) > 500_000


async def test_our_wait_is_seen_counted_and_judged(stage: Stage, watched: Watched) -> None:
    reader = await stage.app("billing", "BEGIN", "SELECT * FROM t")
    watched.us = await stage.app("us", "BEGIN", "LOCK TABLE t IN ROW SHARE MODE")
    watched.busy = True
    watched.sampler.wake()
    working = await watched.next(lambda sample: bool(sample.our_locks))
    assert [(lock.relation, lock.mode) for lock in working.our_locks] == [("t", "RowShareLock")]
    await stage.leave_waiting(watched.us, "ALTER TABLE t ADD COLUMN w int")
    await stage.waiter("web", "SELECT * FROM t")
    waiting = await watched.next(lambda sample: sample.tree.queued == 1)
    assert waiting.tree.waiting_for_lock
    assert waiting.blocked_sessions == 2
    assert [node.pid for node in waiting.tree.blockers] == [reader.pid]
    assert judge(waiting.tree, Safety()) is None
    late = await watched.next(lambda sample: judge(sample.tree, Safety(lock_timeout=0.6)) is not None)
    assert late.tree.oldest is not None
    assert late.tree.oldest >= 0.6
    assert late.oldest_wait is not None
    assert late.oldest_wait >= late.tree.oldest


async def test_cancelled_while_the_server_hangs(watched18: Watched) -> None:
    await watched18.next()
    pid = watched18.sampler.backend_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        watched18.sampler.wake()
        await asyncio.wait([watched18.task], timeout=0.1)
        # A look gives up by itself after 5 s.
        async with asyncio.timeout(4):
            await watched18.stop()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert watched18.task.cancelled()
