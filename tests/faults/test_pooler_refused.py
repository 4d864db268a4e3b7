"""Through a pooler that shares server sessions nothing begins: neither locks nor cancels would be ours."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import psycopg
import pytest
from pooler import Pooler, _Client, _Session, pooler
from runbooks import one, until_true
from wire import read_message

from tui.engine.connections import Connections, WrongTarget
from tui.engine.pooler import pooled
from tui.postgres.session import Dsn, PgSession

REFUSED = "a pooler in transaction mode.* stands between us and the server: connect to the server itself"
SETTINGS = "SHOW idle_session_timeout"


class Fair(Pooler):
    """Lends the session that was given back first, so that two clients that ask in turn get two."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self._free = defaultdict(lambda: _Queue())


class _Queue(list):  # type: ignore[type-arg]
    def pop(self, index: object = None) -> object:
        return super().pop(0)


class ForSession(Pooler):
    """Lends a session for as long as its client stays, as a pooler in session mode does."""

    async def _converse(self, client: _Client) -> None:
        client.lent = await self._borrow(client)
        client.relay = asyncio.create_task(self._relay(client, client.lent))
        await super()._converse(client)

    async def _relay(self, client: _Client, session: _Session) -> None:
        with suppress(OSError, EOFError):
            while True:
                client.writer.write((await read_message(session.reader)).packet)
        client.writer.close()


class Deaf(ForSession):
    """And hands on no cancel."""

    async def _cancel(self, key: bytes) -> None:
        return


@contextmanager
def through(kind: type[Pooler], dsn: str) -> Iterator[str]:
    """The DSN through this kind of pooler, for as long as the block lasts."""
    gateway = kind(dsn)
    gateway.start()
    try:
        yield gateway.dsn()
    finally:
        gateway.stop()


@asynccontextmanager
async def sessions(dsn: str) -> AsyncIterator[tuple[PgSession, PgSession]]:
    """Two sessions under the names of a run's."""
    async with (
        await PgSession.open(Dsn(dsn), application_name="lockstep runner") as runner,
        await PgSession.open(Dsn(dsn), application_name="lockstep operator") as operator,
    ):
        yield runner, operator


async def test_the_servers_own_sessions_pass(database_each: str) -> None:
    async with sessions(database_each) as (runner, operator):
        before = (runner.backend_pid, operator.backend_pid)
        assert await pooled(runner, operator) is None
        assert (runner.backend_pid, operator.backend_pid) == before


async def test_a_pooler_in_transaction_mode_is_refused(database: str) -> None:
    with pooler(database) as dsn:
        with pytest.raises(WrongTarget, match=REFUSED):
            await Connections.open(Dsn(dsn), "dba1")
        # What we set for ourselves would have stayed with the application's sessions.
        with psycopg.connect(dsn, autocommit=True) as web, psycopg.connect(database, autocommit=True) as direct:
            assert web.execute(SETTINGS).fetchone() == direct.execute(SETTINGS).fetchone()
    await until_true(database, "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'")


async def test_whichever_session_it_lends_first(database: str) -> None:
    with through(Fair, database) as dsn:
        # Two server sessions are there, so that each of ours can have one of its own, for a while.
        with psycopg.connect(dsn) as first, psycopg.connect(dsn) as second:
            for one_of_two in (first, second):
                one_of_two.execute("SELECT 1")
        async with sessions(dsn) as (runner, operator):
            pids = [(await session.query("SELECT pg_backend_pid()")).rows for session in (runner, operator)]
            assert pids[0] != pids[1]
            told = await pooled(runner, operator)
            assert told is not None
            assert "transaction mode" in told


async def test_a_pooler_in_session_mode_is_in_nobodys_way(database: str) -> None:
    with through(ForSession, database) as dsn:
        ours = await Connections.open(Dsn(dsn), "dba1")
        try:
            # Not the number that the pooler made up.
            for session in (ours.runner, ours.operator):
                name = f"SELECT application_name FROM pg_stat_activity WHERE pid = {session.backend_pid}"
                assert str(one(database, name)).startswith("lockstep ")
            assert await ours.try_lock("small")
            assert len(ours.pids) == 2
        finally:
            await ours.close()


async def test_a_pooler_that_keeps_our_cancels_is_refused(database: str) -> None:
    with (
        through(Deaf, database) as dsn,
        pytest.raises(WrongTarget, match="a pooler between us and the server does not hand on our cancels: connect to"),
    ):
        await Connections.open(Dsn(dsn), "dba1")
