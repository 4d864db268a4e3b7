"""Through a pooler that shares server sessions nothing begins: neither locks nor cancels would be ours."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from pooler import Pooler, pooler
from runbooks import until_true

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
    through = Fair(database)
    through.start()
    try:
        # Two server sessions are there, so that each of ours can have one of its own, for a while.
        with psycopg.connect(through.dsn()) as first, psycopg.connect(through.dsn()) as second:
            for one_of_two in (first, second):
                one_of_two.execute("SELECT 1")
        async with sessions(through.dsn()) as (runner, operator):
            pids = [(await session.query("SELECT pg_backend_pid()")).rows for session in (runner, operator)]
            assert pids[0] != pids[1]
            told = await pooled(runner, operator)
            assert told is not None
            assert "transaction mode" in told
    finally:
        through.stop()
