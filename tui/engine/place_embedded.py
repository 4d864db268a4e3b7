"""A rehearsal's own server: saved once its database stands, and restored for every fresh copy."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tui.postgres import clone
from tui.postgres.embedded import EmbeddedServer, Installation
from tui.postgres.session import Dsn, PgSession

from .place import NAME, Carried, PlaceFailed, Told, carry_over, failing, to_the_end

# Where our own session is while the database is made; one that a rehearsal is about is no place for it.
_HOMES = ("postgres", "template1")


class Ground:
    """A started server; ``database`` is the one that a rehearsal is about, and ``user`` who connects to it.

    It is restored as a whole: beside a second database, roles could not be dropped that own something in both.
    """

    def __init__(self, installation: Installation, *, superuser: str, database: str, user: str, locks: int) -> None:
        # A schema of thousands of tables is changed in one transaction as it is over there.
        options: dict[str, str | int | bool] = {
            "max_locks_per_transaction": locks,
            "max_prepared_transactions": 10,
            "wal_level": "logical",
        }
        self._server = EmbeddedServer(installation, options=options, superuser=superuser)
        self._database = database
        self._user = user
        self._stack = AsyncExitStack()
        self._home = next(name for name in _HOMES if name != database)
        self.admin: PgSession

    async def __aenter__(self) -> Self:
        """Raises EmbeddedError, CannotConnect, PlaceFailed, StatementFailed, ConnectionLost."""
        try:
            await self._stack.enter_async_context(self._server)
            session = await PgSession.open(Dsn(self._server.dsn(self._home)), application_name=NAME)
            self.admin = await self._stack.enter_async_context(session)
            answer = await self.admin.query("SHOW data_directory")
            if answer.rows[0][0] != str(self._server.data):
                # PGHOSTADDR and its like go before what our DSN says.
                raise PlaceFailed(
                    "the environment leads our connections to another server: unset PGHOSTADDR, and PGSERVICE with it"
                )
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def dsn(self) -> Dsn:
        """The database, as the superuser."""
        return Dsn(self._server.dsn(self._database))

    async def offer(self, extensions: Path) -> None:
        """As `EmbeddedServer.offer`."""
        await asyncio.to_thread(self._server.offer, extensions)

    async def empty(self, **options: str) -> None:
        """Makes the database with these options of CREATE DATABASE. Raises StatementFailed, ConnectionLost."""
        await clone.empty(self.admin, self._database, **options)

    async def stands(self, owner: str, limit: int = -1, carrying: tuple[Carried, ...] = (), *, told: Told) -> None:
        """What is there now is how every fresh copy begins; ``carrying`` comes last, as it bears on every session.

        Raises EmbeddedError, StatementFailed, ConnectionLost.
        """
        await clone.hand_over(self.admin, self._database, owner=owner, limit=limit)
        await carry_over(self.admin, list(carrying), told)
        await self.admin.close()
        await to_the_end(asyncio.to_thread(self._server.save))

    async def fresh(self) -> Dsn:
        """Raises EmbeddedError."""
        await to_the_end(asyncio.to_thread(self._server.restore))
        return Dsn(self._server.dsn(self._database, self._user))


class Embedded:
    """A place on a server of our own; how its database comes about is each kind's affair, in ``_begin``."""

    where: str
    _beginning: str
    """What ``_begin`` does, in words."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._ground: Ground | None = None

    async def _begin(self) -> None:
        """Leaves a ground that stands in ``_ground``."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        try:
            with failing(self._beginning):
                await self._begin()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (ground := self._ground) is not None:
            self._ground = None
            await ground.__aexit__(kind, error, trace)

    async def fresh(self) -> Dsn:
        if self._ground is None:
            raise PlaceFailed(f"there is no server for {self.where}")
        with failing(f"make a fresh copy of {self.where}"):
            return await self._ground.fresh()
