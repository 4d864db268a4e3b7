"""A rehearsal's own server: one pristine database, and fresh copies of it with nothing of the one before."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tui.postgres import clone
from tui.postgres.embedded import EmbeddedServer, Installation
from tui.postgres.session import Dsn, PgSession

from .place import NAME, Carried, PlaceFailed, Told, carry_over, failing, roles

_PRISTINE = "lockstep_pristine"
# Where our own session stays, whatever becomes of the other databases; one that a rehearsal is about is not kept.
_HOMES = ("postgres", "template1")


class Ground:
    """A started server; ``database`` and ``user`` are what a fresh copy is called and who connects to it.

    ``pristine`` is the database that is copied.
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
        self.pristine = _PRISTINE if database != _PRISTINE else f"{_PRISTINE}_2"
        self._user = user
        self._stack = AsyncExitStack()
        self._home = next(name for name in _HOMES if name != database)
        self.admin: PgSession
        self._owner = superuser
        self._limit = -1
        self._carried: list[Carried] = []
        self._roles: list[Carried] = []

    async def __aenter__(self) -> Self:
        """Raises EmbeddedError, CannotConnect, PlaceFailed, StatementFailed, ConnectionLost."""
        try:
            await self._stack.enter_async_context(self._server)
            session = await PgSession.open(self.dsn(self._home), application_name=NAME)
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

    def dsn(self, database: str) -> Dsn:
        """As the superuser."""
        return Dsn(self._server.dsn(database))

    async def offer(self, extensions: Path) -> None:
        """As `EmbeddedServer.offer`."""
        await asyncio.to_thread(self._server.offer, extensions)

    async def stands(self, carrying: list[Carried], owner: str, limit: int = -1) -> None:
        """What is in the pristine database, and the server's roles, are how every fresh copy begins.

        ``carrying`` is for the copies. Raises StatementFailed, ConnectionLost.
        """
        await clone.close_off(self.admin, self.pristine)
        self._carried, self._owner, self._limit = carrying, owner, limit
        self._roles = await self._roles_now()

    async def fresh(self, told: Told) -> Dsn:
        """Raises StatementFailed, ConnectionLost, CannotConnect."""
        kept = frozenset({"template0", "template1", "postgres", self.pristine} - {self._database})
        await clone.drop_others(self.admin, kept)
        await self._restore_roles()
        await clone.make(self.admin, self._database, self.pristine, owner=self._owner, limit=self._limit)
        await carry_over(self.admin, self._carried, told)
        return Dsn(self._server.dsn(self._database, self._user))

    async def _roles_now(self) -> list[Carried]:
        return await roles(self.admin, login=None, elsewhere=False)

    async def _restore_roles(self) -> None:
        """Takes back what a migration did to the roles, which belong to no database."""
        now = await self._roles_now()
        for each in reversed(now):
            if each not in self._roles and each.undo is not None:
                await self.admin.execute(each.undo)
        for each in self._roles:
            if each not in now and each.statement is not None:
                await self.admin.execute(each.statement)


class Embedded:
    """A place on a server of our own; how its pristine database comes about is each kind's affair, in ``_begin``."""

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
            return await self._ground.fresh(self._told)
