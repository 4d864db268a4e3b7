"""Real sessions that hold and wait for locks, for the tests of the monitor."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import psycopg

from tui.postgres.monitor import Monitor
from tui.postgres.rows import Look
from tui.postgres.session import Dsn


class App:
    """One session of an application: ``run`` waits for its statements, ``send`` leaves one under way."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.connection = connection
        self.pid = connection.info.backend_pid
        self.sent: asyncio.Task[object] | None = None

    async def run(self, *statements: str) -> None:
        for statement in statements:
            await self.connection.execute(statement.encode())

    def send(self, statement: str) -> None:
        self.sent = asyncio.create_task(self.connection.execute(statement.encode()))

    async def ended(self) -> None:
        """The statement under way came to its end; raises what it raised."""
        sent, self.sent = self.sent, None
        if sent is not None:
            await sent


def waits(look: Look, pid: int) -> bool:
    """This session, or a parallel worker of it, is seen to wait for a lock, and the server has noted since when."""
    pids = {pid, *(session.pid for session in look.sessions if session.leader_pid == pid)}
    return any(lock.pid in pids and not lock.granted and lock.wait_seconds is not None for lock in look.locks)


class Stage:
    """A database with sessions of an application, and a monitor beside them. Leaving it ends everything."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.monitor = Monitor(Dsn(dsn))
        self.apps: list[App] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(self.monitor.close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Ends all sessions and the monitor's."""
        admin = await psycopg.AsyncConnection.connect(self.dsn, autocommit=True)
        async with admin:
            await admin.execute("SELECT pg_terminate_backend(unnest(%s::int[]))", ([a.pid for a in self.apps],))
        await asyncio.gather(*(app.sent for app in self.apps if app.sent), return_exceptions=True)
        await self._stack.aclose()

    async def app(self, name: str = "web", *statements: str, dsn: str = "") -> App:
        connection = await psycopg.AsyncConnection.connect(dsn or self.dsn, autocommit=True, application_name=name)
        self._stack.push_async_callback(connection.close)
        self.apps.append(app := App(connection))
        await app.run(*statements)
        return app

    async def waiter(self, name: str, *statements: str, dsn: str = "") -> App:
        """A session whose last statement is left waiting for a lock, seen to wait by the server itself."""
        app = await self.app(name, *statements[:-1], dsn=dsn)
        await self.leave_waiting(app, statements[-1])
        return app

    async def leave_waiting(self, app: App, statement: str) -> None:
        app.send(statement)
        await self.until(lambda look: waits(look, app.pid))

    async def until(self, true: Callable[[Look], bool], *of: int) -> Look:
        """The first look of which this is true."""
        async with asyncio.timeout(10):
            while not true(look := await self.monitor.look(of)):
                for app in self.apps:
                    if app.sent is not None and app.sent.done():
                        app.sent.result()
        return look

    async def really(self, ask: Callable[[psycopg.AsyncConnection[Any]], Awaitable[Any]]) -> Any:
        """Another connection's answer: what the server itself says."""
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            return await ask(connection)

    async def blocking_pids(self) -> dict[int, set[int]]:
        """By waiter whom it waits for, as the server says; parallel workers as their leader, 0 is a prepared one."""

        async def ask(connection: psycopg.AsyncConnection[Any]) -> dict[int, set[int]]:
            rows = await connection.execute(
                "SELECT CASE backend_type WHEN 'parallel worker' THEN leader_pid ELSE pid END, pg_blocking_pids(pid) "
                "FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            )
            found: dict[int, set[int]] = {}
            for pid, blockers in await rows.fetchall():
                if blockers:
                    found.setdefault(pid, set()).update(blockers)
            return found

        answer: dict[int, set[int]] = await self.really(ask)
        return answer
