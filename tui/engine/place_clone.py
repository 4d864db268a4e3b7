"""A rehearsal on a clone: CREATE DATABASE … TEMPLATE on the database's own server."""

from types import TracebackType
from typing import Self

from tui.postgres import clone
from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import CannotConnect, ConnectionLost, Dsn, PgSession, StatementFailed
from tui.runbook.model import Runbook

from .place import (
    NAME,
    Carried,
    Kind,
    Original,
    PlaceFailed,
    Told,
    carried,
    carry_over,
    failing,
    once,
    refuse_if_begun,
    roles,
    to_the_end,
)
from .pooler import pooled

_IN_USE = "55006"
# Reading and dropping in the copy is no work of the application's, whatever its settings say of that.
_OURS = {"default_transaction_read_only": "off", "statement_timeout": "0", "lock_timeout": "0"}


class Clone:
    """The original is copied once, to where nobody can connect; every fresh copy is one of that.

    So the original is needed for itself only that once, and stays what it was for the whole rehearsal.
    """

    kind: Kind = "clone"
    has_data = True

    def __init__(self, dsn: Dsn, runbook: Runbook, told: Told) -> None:
        self.where = "a clone"
        self._dsn = dsn
        self._runbook = runbook
        self._told = once(told)
        self._keeper: PgSession | None = None
        self._of: Original
        self._pristine: clone.Copy | None = None
        self._given: clone.Copy | None = None
        self._roles: list[Carried] = []

    async def __aenter__(self) -> Self:
        try:
            await self._begin()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await to_the_end(self._leave())

    async def _begin(self) -> None:
        with failing("make a clone"):
            for name in await sweep(self._dsn):
                self._told(f"dropped {name}, which a rehearsal left that died")
            async with await PgSession.open(self._dsn, application_name=NAME, options=_OURS) as source:
                self._of = await Original.look(source)
                self.where = f"a clone of {safe(self._of.where)}"
                keeper = self._keeper = await _open_beside(self._dsn)
                if (why := await pooled(source, keeper)) is not None:
                    raise PlaceFailed(why)
                await refuse_if_begun(source, self._runbook, safe(self._of.where))
                self._refuse_without_rights()
            size = _size(self._of.bytes)
            self._told(f"copies {safe(self._of.where)}, {size}: twice that is needed on its disk during the rehearsal")
            self._roles = await roles(keeper, login=None, elsewhere=False)
            self._pristine = clone.Copy()
            try:
                await self._copy(keeper, self._pristine, self._of.name)
            except StatementFailed as failure:
                raise PlaceFailed(await self._why(keeper, failure)) from None

    def _refuse_without_rights(self) -> None:
        role = safe(self._of.user)
        if not self._of.may_create:
            raise PlaceFailed(
                f"role {role} may not create databases: ALTER ROLE {role} CREATEDB, or rehearse with --like, "
                "which needs no more than to read the schema"
            )
        if not self._of.may_copy:
            raise PlaceFailed(
                f"only the owner of {safe(self._of.name)} may copy it, which is {safe(self._of.owner)}: "
                f"connect as that role, GRANT {safe(self._of.owner)} TO {role}, or rehearse with --like"
            )

    async def _copy(self, keeper: PgSession, copy: clone.Copy, template: str) -> None:
        by_file = clone.by_file(self._of.bytes, self._of.version)
        await copy.create(keeper, template, of=self._of.name, owner=self._of.owner, by_file=by_file)

    async def _why(self, keeper: PgSession, failure: StatementFailed) -> str:
        error = failure.error
        text = f"could not copy {safe(self._of.where)}: {' '.join(filter(None, (error.message, error.detail)))}"
        if error.sqlstate != _IN_USE:
            return f"{text}. {error.hint}" if error.hint else text
        answer = await keeper.query(load("rehearsal/sessions"), {"database": self._of.name})
        people = [
            safe(f"{pid} {name or backend} of {user or 'the server'}{f', {state}' if state else ''}")
            for pid, name, user, backend, state in answer.rows
        ]
        return (
            f"{text}. PostgreSQL copies a database only while nobody else is connected to it"
            f"{'; connected are: ' if people else ''}{'; '.join(people)}. End these sessions, keep new ones out "
            f"as long as the copying takes, and try again; or rehearse with --like, which disturbs nobody"
        )

    async def fresh(self) -> Dsn:
        if self._keeper is None or self._pristine is None:
            raise PlaceFailed("there is no clone yet")
        with failing(f"make a fresh copy of {safe(self._of.where)}"):
            keeper = await self._kept(self._keeper)
            if self._given is not None:
                await self._given.drop(keeper)
            self._given = copy = clone.Copy()
            await self._copy(keeper, copy, self._pristine.name)
            await carry_over(keeper, await carried(keeper, self._of.name, copy.name, elsewhere=False), self._told)
            await copy.open_up(keeper, self._of.limit)
            dsn = self._dsn.with_(dbname=copy.name)
            async with await PgSession.open(dsn, application_name=NAME, options=_OURS) as inside:
                # The ledger of the original is its own affair: the rehearsal begins with none.
                await inside.execute("DROP SCHEMA IF EXISTS lockstep CASCADE")
        return dsn

    async def _kept(self, keeper: PgSession) -> PgSession:
        """The session that makes and drops; a lost one is replaced, which then holds the lock."""
        try:
            await keeper.query("SELECT 1")
        except ConnectionLost:
            await keeper.close()
            self._keeper = keeper = await _open_beside(self._dsn)
            if self._pristine is not None:
                await self._pristine.lock(keeper)
        return keeper

    async def _tell_of_roles(self, keeper: PgSession) -> None:
        """Roles belong to no database: what a migration does to them stays done."""
        now = await roles(keeper, login=None, elsewhere=False)
        if changed := {each.what for each in set(now) ^ set(self._roles)}:
            self._told(
                safe(f"changed on {self._of.host} since the rehearsal began, and left so: {', '.join(sorted(changed))}")
            )

    async def _leave(self) -> None:
        if self._keeper is None:
            return
        try:
            with failing("drop the copies"):
                keeper = await self._kept(self._keeper)
                for copy in (self._given, self._pristine):
                    if copy is not None:
                        await copy.drop(keeper)
                if self._pristine is not None:
                    await self._tell_of_roles(keeper)
        except PlaceFailed as failure:
            self._told(f"{failure}; the next rehearsal on {safe(self._of.host)} drops them")
        finally:
            await self._keeper.close()


async def sweep(dsn: Dsn) -> list[str]:
    """Drops the clones of rehearsals that died on this server; gives their names. Raises PlaceFailed."""
    with failing("look for what earlier rehearsals left"):
        async with await _open_beside(dsn) as session:
            return await clone.sweep(session)


async def _open_beside(dsn: Dsn) -> PgSession:
    """A session on that server that is not in the database itself, where one can be had. Raises CannotConnect."""
    try:
        return await PgSession.open(dsn.with_(dbname="postgres"), application_name=NAME, options=_OURS)
    except CannotConnect:
        return await PgSession.open(dsn, application_name=NAME, options=_OURS)


def _size(number: int) -> str:
    """``1.2 GB``, by 1024 as PostgreSQL's pg_size_pretty counts."""
    size, unit = float(number), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1024 or unit == "TB":
            break
        size /= 1024
    return f"{size:.1f} {unit}" if size < 10 and unit != "bytes" else f"{size:.0f} {unit}"
