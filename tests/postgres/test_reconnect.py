"""A connection that is lost comes back to the same database, or not at all: restart, failover, another server."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from runbooks import execute, one, opened, until_true, write
from standby import Standby, standby

from tui.engine import connections
from tui.engine.connections import Connections, OtherOperator, WrongTarget
from tui.engine.sample import Sample
from tui.engine.sampler import Sampler
from tui.engine.state import StepStatus
from tui.postgres.embedded import EmbeddedServer, installations
from tui.postgres.session import CannotConnect, ConnectionLost, Dsn

WHEELS = {f"wheel{one.major}": one for one in installations() if one.source == "wheel"}
RECOVERING = "SELECT pg_is_in_recovery()"
IDENTIFIER = "SELECT system_identifier FROM pg_control_system()"


class Reasons(list[str]):
    """What a wait was said to be for."""

    def __init__(self) -> None:
        super().__init__()
        self._new = asyncio.Event()

    async def hear(self, why: str) -> None:
        self.append(why)
        self._new.set()

    async def until(self, words: str) -> None:
        async with asyncio.timeout(20):
            while not any(words in why for why in self):
                self._new.clear()
                await self._new.wait()


class Address:
    """A socket directory that leads to one server or another, as a name in the DNS does."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lead_to(self, directory: Path) -> None:
        self.lead_nowhere()
        self._path.symlink_to(directory)

    def lead_nowhere(self) -> None:
        self._path.unlink(missing_ok=True)

    def dsn(self, dbname: str = "postgres") -> Dsn:
        return Dsn(f"host={self._path} port=5432 dbname={dbname} user=postgres")


@asynccontextmanager
async def connected(dsn: Dsn | str, operator: str = "dba1") -> AsyncIterator[Connections]:
    """Connections that hold the lock of the runbook ``small``."""
    ours = await Connections.open(dsn if isinstance(dsn, Dsn) else Dsn(dsn), operator)
    try:
        await ours.take_lock("small")
        yield ours
    finally:
        await ours.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_RECONNECT_EVERY", 0.05)


@pytest.fixture
def address(tmp_path: Path) -> Address:
    return Address(tmp_path / "s")


@pytest.fixture(params=list(WHEELS))
def own(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A server that a test may stop."""
    with EmbeddedServer(WHEELS[request.param]) as server:
        yield server


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[EmbeddedServer, Standby]]:
    """A primary and its standby, for tests that leave them as they are."""
    with EmbeddedServer() as primary, standby(primary) as second:
        yield primary, second


async def test_an_immediate_stop_in_a_statement_is_waited_out(own: EmbeddedServer) -> None:
    reasons = Reasons()
    async with connected(own.dsn()) as ours:
        before = ours.pids
        running = asyncio.create_task(ours.runner.execute("SELECT pg_sleep(60)"))
        asleep = f"SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {ours.runner.backend_pid}"
        await until_true(own.dsn(), asleep)
        await asyncio.to_thread(own.halt, "immediate")
        with pytest.raises(ConnectionLost):
            await running
        renewing = asyncio.create_task(ours.renew_runner(waiting=reasons.hear))
        await reasons.until("")
        assert not renewing.done()
        await asyncio.to_thread(own.start)
        async with asyncio.timeout(20):
            runner = await renewing
        assert runner is ours.runner
        assert reasons
        assert all("password" not in why and "\n" not in why for why in reasons)
        assert len(reasons) == len(set(reasons)) or "starting up" in " ".join(reasons)
        await ours.hold("small")
        assert not before & ours.pids
        holder = await ours.holder("small")
        assert holder is not None
        assert (holder.pid, holder.operator) == (ours.operator.backend_pid, "dba1")
        for session in (ours.runner, ours.operator):
            assert (await session.query("SHOW idle_in_transaction_session_timeout")).rows == (("0",),)


async def test_the_wait_can_be_cancelled_and_ends(address: Address, database: str, server18: EmbeddedServer) -> None:
    address.lead_to(server18.directory)
    name = str(one(database, "SELECT current_database()"))
    reasons = Reasons()
    async with connected(address.dsn(name)) as ours:
        address.lead_nowhere()
        renewing = asyncio.create_task(ours.renew_runner(waiting=reasons.hear))
        await reasons.until("No such file or directory")
        renewing.cancel()
        async with asyncio.timeout(1):
            await asyncio.gather(renewing, return_exceptions=True)
        assert renewing.cancelled()
        assert reasons == ["No such file or directory"]


async def test_patience_has_an_end(
    address: Address, database: str, server18: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address.lead_to(server18.directory)
    monkeypatch.setattr(connections, "_RECONNECT_FOR", 0.2)
    async with connected(address.dsn(str(one(database, "SELECT current_database()")))) as ours:
        address.lead_nowhere()
        with pytest.raises(CannotConnect, match="No such file") as failed:
            await ours.renew_runner()
        assert failed.value.why == "No such file or directory"


async def test_a_server_out_of_connections_is_waited_for(database: str) -> None:
    name = one(database, "SELECT current_database()")
    execute(
        database,
        f"CREATE ROLE few_{name} LOGIN",
        f"GRANT CREATE ON DATABASE {name} TO few_{name}",
        f"ALTER ROLE few_{name} CONNECTION LIMIT 2",
    )
    reasons = Reasons()
    try:
        async with connected(Dsn(database).with_(user=f"few_{name}")) as ours:
            execute(database, f"ALTER ROLE few_{name} CONNECTION LIMIT 1")
            renewing = asyncio.create_task(ours.renew_runner(waiting=reasons.hear))
            await reasons.until("too many connections for role")
            execute(database, f"ALTER ROLE few_{name} CONNECTION LIMIT 2")
            async with asyncio.timeout(10):
                await renewing
    finally:
        execute(database, f"DROP OWNED BY few_{name}", f"DROP ROLE few_{name}")


async def test_another_server_is_refused(address: Address, pair: tuple[EmbeddedServer, Standby], database: str) -> None:
    address.lead_to(pair[0].directory)
    other = Path(str(one(database, "SHOW unix_socket_directories")).strip('"'))
    identifiers = [str(one(dsn, IDENTIFIER)) for dsn in (database, pair[0].dsn())]
    async with connected(address.dsn()) as ours:
        address.lead_to(other)
        with pytest.raises(WrongTarget, match="system identifier is {}, the run began on {}".format(*identifiers)):
            await ours.renew_runner()
        execute(pair[0].dsn(), f"SELECT pg_terminate_backend({ours.operator.backend_pid})")
        with pytest.raises(WrongTarget, match="the run began on"):
            await ours.hold("small")
        with pytest.raises(WrongTarget, match="the run began on"):
            await ours.try_lock("small")
    here = "FROM pg_stat_activity WHERE datname = 'postgres' AND application_name LIKE 'lockstep %'"
    await until_true(database, f"SELECT count(*) = 0 {here}")


async def test_another_database_of_the_same_name_is_refused(server18: EmbeddedServer, database: str) -> None:
    name = str(one(database, "SELECT current_database()"))
    async with connected(database) as ours:
        server18.drop_database(name)
        server18.create_database(name)
        with pytest.raises(WrongTarget, match=rf"another database answers at localhost:5432: {name} with oid \d+, the"):
            await ours.renew_runner()


async def test_a_standby_is_waited_for_until_it_is_promoted(address: Address, own: EmbeddedServer) -> None:
    reasons = Reasons()
    with standby(own, port=5432) as second:
        address.lead_to(own.directory)
        async with connected(address.dsn()) as ours:
            await asyncio.to_thread(own.halt, "fast")
            address.lead_to(second.directory)
            renewing = asyncio.create_task(ours.renew_runner(waiting=reasons.hear))
            await reasons.until("localhost:5432 is a standby in recovery: waiting for the primary")
            with pytest.raises(CannotConnect, match="is a standby in recovery"):
                await ours.hold("small")
            await asyncio.to_thread(second.promote)
            async with asyncio.timeout(20):
                await renewing
            assert (await ours.runner.query(RECOVERING)).rows == (("f",),)
            await ours.hold("small")


async def test_a_standby_that_lets_nobody_in_is_waited_for(
    address: Address, pair: tuple[EmbeddedServer, Standby]
) -> None:
    reasons = Reasons()
    with standby(pair[0], port=5432, hot=False) as cold:
        address.lead_to(pair[0].directory)
        async with connected(address.dsn()) as ours:
            address.lead_to(cold.directory)
            renewing = asyncio.create_task(ours.renew_runner(waiting=reasons.hear))
            await reasons.until("the database system is not accepting connections")
            address.lead_to(pair[0].directory)
            async with asyncio.timeout(10):
                await renewing


def both(primary: EmbeddedServer, second: Standby, more: str = "") -> Dsn:
    """The standby stands first."""
    hosts = f"host={second.directory},{primary.directory} port={second.port},5432"
    return Dsn(f"{hosts} dbname=postgres user=postgres {more}")


async def test_a_standby_that_stands_first_is_refused(pair: tuple[EmbeddedServer, Standby]) -> None:
    with pytest.raises(WrongTarget, match=r"localhost:5433 is a standby.*add target_session_attrs=read-write"):
        await Connections.open(both(*pair))


@pytest.mark.parametrize("attributes", ["read-write", "primary"])
async def test_the_primary_is_found_among_hosts(pair: tuple[EmbeddedServer, Standby], attributes: str) -> None:
    dsn = both(*pair, f"target_session_attrs={attributes}")
    sampler = Sampler(dsn, lambda sample: None, our_pid=lambda: None, busy=lambda: False)
    async with connected(dsn) as ours:
        assert (ours.server.host, ours.server.port) == ("localhost", 5432)
        for session in (ours.runner, ours.operator):
            assert (await session.query(RECOVERING)).rows == (("f",),)
        await sampler.connect()
        assert one(pair[0].dsn(), f"SELECT count(*) FROM pg_stat_activity WHERE pid = {sampler.backend_pid}") == 1
        await sampler.close()


async def test_after_a_failover_everything_is_at_the_new_primary(own: EmbeddedServer) -> None:
    reasons, samples = Reasons(), asyncio.Queue[Sample]()
    with standby(own) as second:
        dsn = both(own, second, "target_session_attrs=read-write")
        sampler = Sampler(dsn, samples.put_nowait, our_pid=lambda: None, busy=lambda: True)
        await sampler.connect()
        sampling = asyncio.create_task(sampler.run())
        async with connected(dsn) as ours:
            await ours.runner.execute("CREATE TABLE written (a int)")
            await until_true(second.dsn(), "SELECT to_regclass('written') IS NOT NULL")
            await asyncio.to_thread(own.halt, "immediate")
            renewing = asyncio.create_task(ours.renew_runner(waiting=reasons.hear))
            await reasons.until("session is read-only")
            await asyncio.to_thread(second.promote)
            async with asyncio.timeout(20):
                runner = await renewing
            await ours.hold("small")
            assert (await runner.server()).port == second.port
            assert (await runner.query("SELECT count(*) FROM written")).rows == (("0",),)
            async with asyncio.timeout(20):
                while not any(s.pid == runner.backend_pid for s in (await samples.get()).sessions):
                    pass
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)


async def test_a_run_goes_on_after_a_failover(tmp_path: Path) -> None:
    book = write(tmp_path, {"1": "CREATE TABLE t (a int)", "2": "INSERT INTO t VALUES (1)"})
    with EmbeddedServer() as primary, standby(primary) as second:
        dsn = both(primary, second, "target_session_attrs=read-write").reveal()
        async with opened(book, dsn) as live:
            assert await live.to_end("1") == 0
            await until_true(second.dsn(), "SELECT to_regclass('t') IS NOT NULL")
            await asyncio.to_thread(primary.halt, "immediate")
            await asyncio.to_thread(second.promote)
            assert await live.to_end() == 0
            assert [step.status for step in live.state.steps] == [StepStatus.APPLIED, StepStatus.APPLIED]
        assert one(second.dsn(), "SELECT count(*) FROM t") == 1


# The operator's lock


async def test_a_lost_lock_is_taken_again(database: str) -> None:
    async with connected(database) as ours:
        before = ours.operator.backend_pid
        execute(database, f"SELECT pg_terminate_backend({before}, 5000)")
        # Asking connects again, but does not pass for holding.
        assert await ours.holder("small") is None
        assert ours.operator.backend_pid != before
        await ours.hold("small")
        holder = await ours.holder("small")
        assert holder is not None
        assert holder.pid == ours.operator.backend_pid


async def test_a_lost_lock_may_be_anothers(database: str) -> None:
    async with connected(database) as ours:
        theirs = await Connections.open(Dsn(database), "dba2")
        try:
            execute(database, f"SELECT pg_terminate_backend({ours.operator.backend_pid}, 5000)")
            assert await theirs.try_lock("small")
            with pytest.raises(OtherOperator, match=r"dba2 has small in hand: session \d+ of postgres from this host"):
                await ours.hold("small")
            assert not await ours.try_lock("small")
        finally:
            await theirs.close()
        # The server takes a moment to notice that they are gone.
        await ours.take_lock("small")


async def test_an_operators_session_that_hangs_is_let_go_of(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_ANSWER_WITHIN", 0.3)
    monkeypatch.setattr(connections, "_GOING_FOR", 0.1)
    monkeypatch.setattr(connections, "_OWN_GOING_FOR", 0.3)
    async with connected(database) as ours:
        pid = ours.operator.backend_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(5):
                with pytest.raises(OtherOperator, match=f"dba1 has small in hand: session {pid} "):
                    await ours.hold("small")
        finally:
            os.kill(pid, signal.SIGCONT)
        with psycopg.connect(database, autocommit=True) as other:
            other.execute(f"SELECT pg_terminate_backend({pid}, 5000)".encode())
        await ours.hold("small")
