"""The session that makes and drops a rehearsal's copies and holds their locks: a lost one is replaced."""

import asyncio
from contextlib import suppress
from typing import Self

from tui.postgres import clone
from tui.postgres.session import CannotConnect, ConnectionLost, Dsn, PgSession, StatementFailed

from .place import NAME, Original, PlaceFailed

OURS = {
    "default_transaction_read_only": "off",
    "statement_timeout": "0",
    # Whoever connects to the original waits behind our wait for a lock of it.
    "lock_timeout": "2s",
}
"""Making, reading and dropping copies is no work of the application's, whatever its settings say of that."""
GUARDED = OURS | {"search_path": "pg_catalog"}
"""And nobody's function public.format(text, name) goes before the catalog's, to run with our rights."""
# A rehearsal may leave it alone for hours: the server must not take it for a forgotten one.
_KEPT = {"idle_session_timeout": "0", "idle_in_transaction_session_timeout": "0", "transaction_timeout": "0"}
WATCH_EVERY = 5.0
"""Seconds after which a lost session is noticed, and the locks taken again."""


class Keeper:
    """``copies`` are those whose locks it holds; a copy is among them before it is made."""

    def __init__(self, dsn: Dsn, of: Original) -> None:
        self.copies: list[clone.Copy] = []
        self._dsn = dsn
        self._of = of
        self._session: PgSession
        self._server: tuple[object, ...] = ()
        self._who: dict[str, object] = {}
        self._one = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, dsn: Dsn, of: Original, source: PgSession) -> Self:
        """On the very server of ``source``, which is in the original.

        Raises PlaceFailed where it is another one, CannotConnect, StatementFailed, ConnectionLost.
        """
        keeper = cls(dsn, of)
        started = "SELECT pg_catalog.pg_postmaster_start_time()"
        keeper._server = await keeper._place(source)
        session = await keeper._connect()
        try:
            if await session.query(started) != await source.query(started):
                raise PlaceFailed(keeper._another)
        except BaseException:
            await session.close()
            raise
        keeper._session = session
        keeper._watching = asyncio.create_task(keeper._watch())
        return keeper

    async def session(self) -> PgSession:
        """The session, living, with the locks of all copies.

        Raises PlaceFailed where another server answers by now, clone.NotOurs where another session has a lock,
        CannotConnect, StatementFailed, ConnectionLost.
        """
        async with self._one:
            try:
                await self._session.query("SELECT 1")
            except ConnectionLost:
                await self._renew()
            return self._session

    async def close(self) -> None:
        """Stops the watching and closes the session; the locks are gone with it."""
        await self.stop_watching()
        await self._session.close()

    async def stop_watching(self) -> None:
        if (watching := self._watching) is not None:
            self._watching = None
            watching.cancel()
            await asyncio.wait([watching])

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY)
            # Whoever needs the session tries again, and is told why it cannot be had.
            with suppress(CannotConnect, ConnectionLost, StatementFailed, PlaceFailed, clone.NotOurs):
                await self.session()

    async def _renew(self) -> None:
        lost = self._who
        await self._session.close()
        session = await self._connect()
        try:
            await clone.end(session, lost, self.copies)
            for copy in self.copies:
                await copy.lock(session)
        except BaseException:
            await session.close()
            # The locks that were taken are gone with it: the next try begins from what was lost first.
            self._who = lost
            raise
        self._session = session

    async def _connect(self) -> PgSession:
        session = await open_beside(self._dsn)
        try:
            await session.ask_pid()
            await session.keep(_KEPT)
            if await self._place(session) != self._server:
                raise PlaceFailed(self._another)
            self._who = await clone.who(session)
        except BaseException:
            await session.close()
            raise
        return session

    async def _place(self, session: PgSession) -> tuple[object, ...]:
        """What the server is known by, also after it started anew."""
        names: dict[str, object] = {"database": self._of.name}
        oid = await session.query("SELECT oid FROM pg_catalog.pg_database WHERE datname = %(database)s", names)
        return (await session.server()).system_identifier, oid.rows

    @property
    def _another(self) -> str:
        return (
            f"another server answers than the one of {self._of.where}: name one host and port, and connect to the "
            "server itself"
        )


async def open_beside(dsn: Dsn) -> PgSession:
    """A session on that server that is not in the database itself, where one can be had. Raises CannotConnect."""
    try:
        return await PgSession.open(dsn.with_(dbname="postgres"), application_name=NAME, options=GUARDED)
    except CannotConnect:
        return await PgSession.open(dsn, application_name=NAME, options=GUARDED)
