"""The gauges' figures against real servers: replicas, slots, temporary files, the oldest xmin, connections."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count

import psycopg
import pytest
from sessions import Stage
from standby import Standby, standby

from tui.engine.rates import RateMeter
from tui.engine.sample import Sample
from tui.engine.sampler import Sampler
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.monitor import Monitor
from tui.postgres.rows import Look, Slot
from tui.postgres.session import Dsn
from tui.widgets.gauges import History

SPILLS = "SELECT count(*) FROM (SELECT n FROM generate_series(1, 300000) AS n ORDER BY n DESC) AS sorted"


@pytest.fixture
async def stage(any_database: str) -> AsyncIterator[Stage]:
    async with Stage(any_database) as stage:
        yield stage


@pytest.fixture(scope="module")
def primary() -> Iterator[EmbeddedServer]:
    """A server of its own: a slot keeps the WAL of everybody."""
    options: dict[str, str | int | bool] = {"fsync": False, "wal_level": "logical", "max_slot_wal_keep_size": "32MB"}
    with EmbeddedServer(options=options) as server:
        yield server


@pytest.fixture(scope="module")
def replica(primary: EmbeddedServer) -> Iterator[Standby]:
    with standby(primary, options={"cluster_name": "r1", "hot_standby_feedback": "on"}) as server:
        yield server


class Looks:
    """A monitor, and what it sees."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor

    async def until(self, holds: Callable[[Look], bool]) -> Look:
        look = await self.monitor.look()
        try:
            async with asyncio.timeout(20):
                while not holds(look):
                    look = await self.monitor.look()
        except TimeoutError:
            raise AssertionError(f"{look.replicas} {look.slots} {look.horizon} {look.counters}") from None
        return look


@asynccontextmanager
async def looking(dsn: str) -> AsyncIterator[Looks]:
    monitor = Monitor(Dsn(dsn))
    try:
        yield Looks(monitor)
    finally:
        await monitor.close()


def execute(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def slot(look: Look, name: str) -> Slot:
    return next(slot for slot in look.slots if slot.name == name)


async def test_temporary_files_are_counted_when_the_statement_ended(stage: Stage) -> None:
    meter = RateMeter()
    first = await stage.monitor.look()
    assert first.counters is not None
    assert first.counters.temp_bytes is not None
    meter.add(first)
    app = await stage.app("report", "SET work_mem = '64kB'", SPILLS)
    # It tells the server at its end at the latest.
    await app.connection.close()
    before = first.counters.temp_bytes
    look = await stage.until(lambda look: look.counters is not None and (look.counters.temp_bytes or 0) > before)
    rate = meter.add(look).temp
    assert rate is not None
    assert look.counters is not None
    assert look.counters.temp_bytes is not None
    assert rate * (look.at - first.at).total_seconds() == pytest.approx(look.counters.temp_bytes - before)


async def test_connections_count_against_those_that_are_not_reserved(stage: Stage) -> None:
    look = await stage.monitor.look()
    assert look.counters is not None
    reserved = await stage.really(
        lambda connection: _values(
            connection,
            "SELECT coalesce(sum(setting::int), 0) FROM pg_settings"
            " WHERE name IN ('superuser_reserved_connections', 'reserved_connections')",
        )
    )
    assert look.counters.usable_connections == look.counters.max_connections - reserved
    await stage.app("web")
    await stage.until(lambda look: look.counters is not None and look.counters.connections == 2)


async def _values(connection: psycopg.AsyncConnection[object], query: str) -> object:
    row = await (await connection.execute(query.encode())).fetchone()
    assert isinstance(row, tuple)
    return row[0]


async def burn(stage: Stage, transactions: int) -> None:
    app = await stage.app("web")
    for _ in range(transactions):
        await app.run("SELECT pg_current_xact_id()")


async def test_the_oldest_snapshot_is_named(stage: Stage) -> None:
    report = await stage.app("report", "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
    await burn(stage, 5)
    look = await stage.until(lambda look: look.horizon is not None and look.horizon.transactions >= 5)
    assert look.horizon is not None
    assert (look.horizon.kind, look.horizon.name, look.horizon.pid) == ("session", "report", report.pid)
    assert look.horizon.seconds is not None
    await report.run("COMMIT")
    await stage.until(lambda look: look.horizon is None or look.horizon.pid != report.pid)


async def test_a_transaction_that_wrote_and_idles_holds_it_back_without_a_snapshot(stage: Stage) -> None:
    writer = await stage.app("import", "BEGIN", "CREATE TABLE t (id int)")
    await burn(stage, 3)
    look = await stage.until(lambda look: look.horizon is not None and look.horizon.transactions >= 3)
    assert look.horizon is not None
    assert look.horizon.pid == writer.pid
    row = await stage.really(
        lambda connection: _values(
            connection, f"SELECT backend_xmin IS NULL FROM pg_stat_activity WHERE pid = {writer.pid}"
        )
    )
    assert row is True


async def test_a_prepared_transaction_holds_it_back(stage: Stage) -> None:
    await stage.app("batch", "BEGIN", "CREATE TABLE t (id int)", "PREPARE TRANSACTION 'night'")
    try:
        await burn(stage, 3)
        look = await stage.until(lambda look: look.horizon is not None and look.horizon.transactions >= 3)
        assert look.horizon is not None
        assert (look.horizon.kind, look.horizon.name, look.horizon.pid) == ("prepared transaction", "night", None)
        assert look.horizon.seconds is not None
    finally:
        await (await stage.app("dba")).run("ROLLBACK PREPARED 'night'")


async def test_another_database_and_a_vacuum_hold_nothing_back(any_server: EmbeddedServer, stage: Stage) -> None:
    await stage.app("elsewhere", "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1", dsn=any_server.dsn())
    holder = await stage.app("web", "CREATE TABLE t AS SELECT generate_series(1, 20000) AS id", "DELETE FROM t")
    await holder.run("BEGIN", "DECLARE c CURSOR FOR SELECT * FROM t", "COMMIT")
    vacuum = await stage.app("vacuum", "SET vacuum_cost_delay = '100ms'", "SET vacuum_cost_limit = 1")
    vacuum.send("VACUUM t")
    await stage.until(lambda look: any(row.pid == vacuum.pid for row in look.progress))
    await burn(stage, 3)
    # The first look of all asks every source; later ones may have what they read a second ago.
    async with looking(stage.dsn) as looks:
        look = await looks.monitor.look()
        assert vacuum.pid in {row.pid for row in look.progress}
        assert look.missing == ()
        assert look.horizon is None or look.horizon.pid != vacuum.pid
        assert look.horizon is None or look.horizon.name != "elsewhere"
    await holder.run(f"SELECT pg_cancel_backend({vacuum.pid})")
    await asyncio.wait([vacuum.sent] if vacuum.sent else [])


async def test_a_replica_falls_behind_and_catches_up(primary: EmbeddedServer, replica: Standby) -> None:
    async with looking(primary.dsn()) as looks:
        look = await looks.until(lambda look: [r.replay_lag_bytes for r in look.replicas] == [0])
        assert look.missing == ()
        assert [(r.application_name, r.state, r.replay_lag_seconds) for r in look.replicas] == [("r1", "streaming", 0)]
        execute(replica.dsn(), "SELECT pg_wal_replay_pause()")
        execute(primary.dsn(), "CREATE TABLE IF NOT EXISTS t AS SELECT generate_series(1, 20000) AS id")
        behind = await looks.until(lambda look: any((r.replay_lag_bytes or 0) > 100_000 for r in look.replicas))
        assert behind.counters is not None
        # What is not known yet is not 0.
        assert all(r.replay_lag_seconds is None or r.replay_lag_seconds > 0 for r in behind.replicas)
        execute(replica.dsn(), "SELECT pg_wal_replay_resume()")
        await looks.until(lambda look: [r.replay_lag_bytes for r in look.replicas] == [0])


async def test_a_standby_that_feeds_back_is_named_for_the_oldest_xmin(
    primary: EmbeddedServer, replica: Standby
) -> None:
    with psycopg.connect(replica.dsn(), autocommit=True) as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1")
        async with looking(primary.dsn()) as looks:
            for _ in range(5):
                execute(primary.dsn(), "SELECT pg_current_xact_id()")
            look = await looks.until(lambda look: look.horizon is not None and look.horizon.kind == "standby")
            assert look.horizon is not None
            assert (look.horizon.name, look.horizon.seconds) == ("r1", None)


async def test_a_standby_is_looked_at_like_a_primary(primary: EmbeddedServer, replica: Standby) -> None:
    async with looking(replica.dsn()) as looks:
        first = await looks.monitor.look()
        assert first.missing == ()
        assert first.counters is not None
        assert first.counters.in_recovery
        assert first.replicas == ()
        received = first.counters.wal_bytes
        assert received is not None
        execute(primary.dsn(), "CREATE TABLE IF NOT EXISTS more AS SELECT generate_series(1, 1000) AS id")
        await looks.until(lambda look: look.counters is not None and (look.counters.wal_bytes or 0) > received)


async def test_a_standby_of_a_standby_has_its_lag_there(replica: Standby, primary: EmbeddedServer) -> None:
    with psycopg.connect(replica.dsn(), autocommit=True) as connection:
        connection.execute("SELECT pg_create_physical_replication_slot('cascade', true)")
        try:
            async with looking(replica.dsn()) as looks:
                look = await looks.until(lambda look: bool(look.slots))
                execute(primary.dsn(), "CREATE TABLE IF NOT EXISTS cascade AS SELECT generate_series(1, 1000) AS id")
                before = slot(look, "cascade").retained_bytes
                assert before is not None
                await looks.until(lambda look: (slot(look, "cascade").retained_bytes or 0) > before)
        finally:
            connection.execute("SELECT pg_drop_replication_slot('cascade')")


async def test_a_slot_keeps_wal_until_it_is_lost(primary: EmbeddedServer) -> None:
    execute(primary.dsn(), "SELECT pg_create_physical_replication_slot('forgotten', true)")
    try:
        async with looking(primary.dsn()) as looks:
            look = await looks.until(lambda look: bool(look.slots))
            fresh = slot(look, "forgotten")
            assert (fresh.slot_type, fresh.active, fresh.wal_status) == ("physical", False, "reserved")
            assert fresh.limit_bytes == 32 * 1024 * 1024
            assert fresh.retained_bytes is not None
            for n in count():
                execute(primary.dsn(), f"CREATE TABLE wal{n} (id int)", "SELECT pg_switch_wal()", "CHECKPOINT")
                with psycopg.connect(primary.dsn()) as connection:
                    said = connection.execute("SELECT wal_status FROM pg_replication_slots").fetchall()
                if said == [("lost",)]:
                    break
                assert n < 20
            look = await looks.until(lambda look: slot(look, "forgotten").wal_status == "lost")
            assert slot(look, "forgotten").retained_bytes is None
    finally:
        execute(primary.dsn(), "SELECT pg_drop_replication_slot('forgotten')")


async def test_a_logical_slot_holds_back_the_oldest_xmin(primary: EmbeddedServer) -> None:
    execute(primary.dsn(), "SELECT pg_create_logical_replication_slot('decoder', 'pgoutput')")
    try:
        for _ in range(5):
            execute(primary.dsn(), "SELECT pg_current_xact_id()")
        async with looking(primary.dsn()) as looks:
            # Somebody may be older than the slot at first, a standby's feedback or an autovacuum, and goes.
            look = await looks.until(lambda look: look.horizon is not None and look.horizon.kind == "slot")
            assert look.horizon is not None
            assert look.horizon.name == "decoder"
            assert slot(look, "decoder").slot_type == "logical"
    finally:
        execute(primary.dsn(), "SELECT pg_drop_replication_slot('decoder')")


async def test_nothing_is_missing_where_nothing_is_replicated() -> None:
    options: dict[str, str | int | bool] = {"wal_level": "minimal", "max_wal_senders": 0, "max_replication_slots": 0}
    with EmbeddedServer(options=options) as server:
        async with looking(server.dsn()) as looks:
            look = await looks.monitor.look()
            assert (look.missing, look.replicas, look.slots) == ((), (), ())
            assert look.counters is not None
            assert look.counters.wal_bytes is not None


class Shown:
    """The gauges as they are fed by a sampler."""

    def __init__(self, dsn: str) -> None:
        self.history = History()
        self.sampler = Sampler(Dsn(dsn), self._see, our_pid=lambda: None, busy=lambda: True)
        self.task = asyncio.create_task(self.sampler.run())
        self._new = asyncio.Event()

    def _see(self, sample: Sample) -> None:
        self.history.add(sample)
        self._new.set()

    async def until(self, *words: str) -> str:
        """What the gauges say once they say all of this."""
        text = ""
        try:
            async with asyncio.timeout(30):
                while not text or not all(word in text for word in words):
                    self._new.clear()
                    await self._new.wait()
                    assert self.sampler.last is not None
                    lines = self.history.lines(120, self.sampler.last.at, 3)
                    text = "\n".join(line.text for line in lines)
        except TimeoutError:
            raise AssertionError(text) from None
        return text


async def test_a_replica_that_goes_away_stays_with_the_time(primary: EmbeddedServer) -> None:
    shown = Shown(primary.dsn())
    try:
        with standby(primary, port=5434, options={"cluster_name": "r2"}):
            await shown.until("lag r2")
        text = await shown.until("lag r2", "gone since ")
        assert "n/a" not in text
    finally:
        shown.task.cancel()
        await asyncio.gather(shown.task, return_exceptions=True)


async def test_a_replica_that_says_nothing_has_an_old_lag(primary: EmbeddedServer) -> None:
    """Its server hangs: what it said last is as old as it is."""
    often = {"cluster_name": "r3", "wal_receiver_status_interval": "1s"}
    with standby(primary, port=5435, options=often) as third:
        async with looking(primary.dsn()) as looks:
            await looks.until(lambda look: any(r.application_name == "r3" for r in look.replicas))
            with psycopg.connect(third.dsn(), autocommit=True) as connection:
                row = connection.execute(
                    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walreceiver'"
                ).fetchone()
            assert row is not None
            os.kill(row[0], signal.SIGSTOP)
            try:
                older = await looks.until(
                    lambda look: any(
                        r.application_name == "r3" and r.reply_seconds is not None and r.reply_seconds > 3
                        for r in look.replicas
                    )
                )
                assert older.missing == ()
            finally:
                os.kill(row[0], signal.SIGCONT)
