"""What the monitor is not allowed, or not given in time: said once, in its place, and nothing else goes blank."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from sessions import Stage
from standby import standby

from tui.engine.sample import Sample
from tui.engine.sampler import Sampler
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.monitor import Monitor
from tui.postgres.session import Dsn
from tui.widgets.degraded import degraded_lines
from tui.widgets.gauges import History

SLOW_SENDERS = """
ALTER FUNCTION pg_catalog.pg_stat_get_wal_senders() RENAME TO pg_stat_get_wal_senders_at_once;
CREATE TABLE public.slow (id int);
GRANT SELECT ON public.slow TO public;
CREATE FUNCTION pg_catalog.pg_stat_get_wal_senders(
    OUT pid int, OUT state text, OUT sent_lsn pg_lsn, OUT write_lsn pg_lsn, OUT flush_lsn pg_lsn, OUT replay_lsn pg_lsn,
    OUT write_lag interval, OUT flush_lag interval, OUT replay_lag interval, OUT sync_priority int, OUT sync_state text,
    OUT reply_time timestamptz
) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM public.slow) THEN
        PERFORM pg_sleep(60);
    END IF;
    RETURN QUERY SELECT * FROM pg_catalog.pg_stat_get_wal_senders_at_once();
END
$$;
"""


class Watch:
    """A sampler with its gauges and the words of the locks' pane."""

    def __init__(self, dsn: str) -> None:
        self.samples: list[Sample] = []
        self.history = History()
        self.sampler = Sampler(Dsn(dsn), self._see, our_pid=lambda: None, busy=lambda: True)
        self.task = asyncio.create_task(self.sampler.run())
        self._new = asyncio.Event()

    def _see(self, sample: Sample) -> None:
        self.samples.append(sample)
        self.history.add(sample)
        self._new.set()

    @property
    def gauges(self) -> str:
        lines = self.history.lines(160, self.samples[-1].at, 3)
        return "\n".join(" ".join(line.text.split()) for line in lines)

    @property
    def said(self) -> list[str]:
        """But for what looks cost on this machine at this moment."""
        lines = [line.text.strip() for line in degraded_lines(self.samples[-1], 120, acts=True)]
        return [text for text in lines if not text.startswith("monitor ")]

    async def until(self, holds: Callable[[Sample], bool]) -> Sample:
        try:
            async with asyncio.timeout(20):
                while True:
                    self._new.clear()
                    await self._new.wait()
                    if holds(self.samples[-1]):
                        return self.samples[-1]
        except TimeoutError:
            raise AssertionError(f"{self.gauges}\n{self.said}\n{self.samples[-1].missing}") from None


@asynccontextmanager
async def watching(dsn: str) -> AsyncIterator[Watch]:
    watch = Watch(dsn)
    try:
        yield watch
    finally:
        watch.task.cancel()
        await asyncio.gather(watch.task, return_exceptions=True)


@pytest.fixture
async def stage(any_database: str) -> AsyncIterator[Stage]:
    async with Stage(any_database) as stage:
        yield stage


@pytest.fixture
def plain(any_server: EmbeddedServer, any_database: str) -> Iterator[str]:
    """The DSN of the test's database for a role that may do nothing but connect."""
    execute(any_server.dsn(), 'CREATE ROLE "night watch" LOGIN')
    try:
        yield str(Dsn(any_database).with_(user="night watch"))
    finally:
        execute(any_server.dsn(), 'DROP ROLE "night watch"')


def execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(statement.encode())


async def test_sessions_of_other_roles_are_counted_and_said_once(stage: Stage, plain: str) -> None:
    for n in range(3):
        await stage.app(f"web{n}", "BEGIN", "SELECT 1")
    async with watching(plain) as watch:
        await watch.until(lambda sample: sample.hidden == 3)
        assert watch.said == ['3 sessions of other roles hidden: GRANT pg_read_all_stats TO "night watch"']
        assert watch.samples[-1].missing == ()
        # How old the oldest of theirs is cannot be told: it is a least one, and no 0 that is certain.
        assert "xmin" in watch.gauges
        assert "≥ " in watch.gauges
        assert "n/a" not in watch.gauges
        counters = watch.samples[-1].counters
        assert counters is not None
        assert counters.connections == 4


async def test_a_member_of_pg_monitor_sees_them(stage: Stage, plain: str) -> None:
    dba = await stage.app("dba", 'GRANT pg_monitor TO "night watch"')
    try:
        app = await stage.app("web", "BEGIN", "SELECT 1")
        async with watching(plain) as watch:
            sample = await watch.until(lambda sample: any(s.pid == app.pid for s in sample.sessions))
            assert sample.hidden == 0
            assert watch.said == []
            assert sample.rights is not None
            assert (sample.rights.reads_all, sample.rights.signals) == (True, False)
    finally:
        await dba.run('REVOKE pg_monitor FROM "night watch"')


async def test_who_may_not_signal_is_told_before_a_key_is_pressed(stage: Stage, plain: str) -> None:
    holder = await stage.app("billing", "CREATE TABLE t (id int)", "BEGIN", "LOCK TABLE t")
    await stage.waiter("web", "SELECT * FROM t")
    async with watching(plain) as watch:
        await watch.until(lambda sample: bool(sample.tree.roots))
        assert (
            '"night watch" may not end other roles\' sessions: GRANT pg_signal_backend TO "night watch"' in watch.said
        )
    await holder.run("ROLLBACK")
    dba = await stage.app("dba", 'GRANT pg_signal_backend TO "night watch"')
    try:
        monitor = Monitor(Dsn(plain))
        rights = (await monitor.look()).rights
        await monitor.close()
        assert rights is not None
        assert rights.signals
    finally:
        await dba.run('REVOKE pg_signal_backend FROM "night watch"')


async def test_of_a_source_that_is_too_slow_the_last_figure_stays_with_its_age(
    server18: EmbeddedServer, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as admin, standby(server18, options={"cluster_name": "r1"}):
        admin.execute("SET allow_system_table_mods = on")
        admin.execute(SLOW_SENDERS)
        async with watching(database) as watch:
            await watch.until(lambda sample: any(r.replay_lag_seconds is not None for r in sample.replicas))
            assert " s old" not in watch.gauges
            admin.execute("INSERT INTO public.slow VALUES (1)")
            slow = await watch.until(lambda sample: bool(sample.missing))
            assert [(s.name, s.why) for s in slow.missing] == [("replication", "too slow: no answer within 1 s")]
            assert " s old" in watch.gauges
            assert "lag r1" in watch.gauges
            assert "gone" not in watch.gauges
            # A throttle or a limit never goes by an old lag.
            assert slow.replicas == ()
            assert slow.counters is not None
            assert slow.blocked_sessions == 0
            tries = len(watch.samples)
            again = await watch.until(lambda sample: len(watch.samples) >= tries + 4)
            assert again.missing == slow.missing
            admin.execute("TRUNCATE public.slow")
            await watch.until(lambda sample: not sample.missing and bool(sample.replicas))
            assert " s old" not in watch.gauges


async def test_behind_a_locked_catalog_the_figures_grow_old_and_the_waits_are_still_seen(stage: Stage) -> None:
    await stage.app("setup", "CREATE TABLE t (id int)")
    holder = await stage.app("web", "BEGIN", "LOCK TABLE t")
    await stage.waiter("web", "SELECT * FROM t")
    async with watching(stage.dsn) as watch:
        await watch.until(lambda sample: sample.wal_rate is not None and sample.blocked_sessions == 1)
        blocker = await stage.app("dba", "BEGIN", "LOCK TABLE pg_catalog.pg_database")
        blind = await watch.until(lambda sample: {"activity", "counters"} <= {s.name for s in sample.missing})
        assert blind.blocked_sessions == 1
        assert [node.pid for node in blind.tree.roots] == [holder.pid]
        assert " s old" in watch.gauges
        assert len([text for text in watch.said if text.startswith("the sessions are not known since ")]) == 1
        await blocker.run("ROLLBACK")
        await watch.until(lambda sample: not sample.missing and bool(sample.sessions))
        assert not any("not known" in text for text in watch.said)


async def test_looks_that_take_long_make_what_can_wait_rarer_and_blank_nothing(stage: Stage) -> None:
    await stage.app("web", "BEGIN", "CREATE TABLE t (id int)")
    usual = await stage.monitor.look()
    assert usual.rarely is None
    for _ in range(2):
        # No look is done within so short an interval.
        await stage.monitor.look(within=1e-6)
    rare = await stage.monitor.look()
    assert rare.rarely == 2.0
    assert (rare.missing, rare.rights) == ((), usual.rights)
    assert rare.horizon is not None


async def test_a_server_that_is_too_old_is_said_once_in_words(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.postgres.sources.OLDEST", 990000)
    monitor = Monitor(Dsn(database))
    first, second = await monitor.look(), await monitor.look()
    assert first.missing == second.missing
    assert [(source.name, source.why) for source in first.missing] == [
        ("monitor", "PostgreSQL 18 is too old: locks, sessions, progress and figures are read from 14 on")
    ]
    assert not monitor.connected
