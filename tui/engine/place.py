"""What a rehearsal runs on: a throwaway database, given as often as it is asked for, gone at the end."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from tui.postgres.clone import NotOurs
from tui.postgres.embedded import EmbeddedError
from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import CannotConnect, ConnectionLost, Dsn, PgSession, StatementFailed
from tui.runbook.model import Runbook

from . import ledger

NAME = "lockstep rehearsal"
"""The application_name of the sessions that make and drop."""

Told = Callable[[str], None]
"""Is told, line by line, what is done; for the operator."""


Kind = Literal["fixture", "clone", "like"]


def once(told: Told) -> Told:
    """Tells every line the first time only: fresh copies are made again and again in the same way."""
    before: set[str] = set()

    def tell(line: str) -> None:
        if line not in before:
            before.add(line)
            told(line)

    return tell


class PlaceFailed(Exception):
    """There is no database to rehearse on; the text says why and what mends it."""


class Place(Protocol):
    """An async context manager: entering makes what is dear, leaving takes everything away.

    All three raise PlaceFailed; leaving only where nothing else went wrong, and then nothing is proven. ``where`` is
    what it is, for the operator, once entered; ``has_data`` is False for a schema without rows.
    """

    kind: Kind
    where: str
    has_data: bool

    async def fresh(self) -> Dsn:
        """A fresh copy of the database as it was before the migration; the copy given before is dropped."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@contextmanager
def failing(doing: str) -> Iterator[None]:
    """What fails in the block fails as PlaceFailed: ``could not <doing>: <why>``."""
    try:
        yield
    except StatementFailed as failure:
        error = failure.error
        said = " ".join(filter(None, (error.message, error.detail, error.hint)))
        raise PlaceFailed(f"could not {doing}: {said}") from None
    except (CannotConnect, ConnectionLost, EmbeddedError, NotOurs) as failure:
        raise PlaceFailed(f"could not {doing}: {failure}") from None


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Awaits the work even where we are cancelled meanwhile, as often as that happens, and then tells of it."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        task.exception()
        raise asyncio.CancelledError
    await task


@dataclass(frozen=True, slots=True)
class Original:
    """A database as a copy of it has to be; ``bytes`` is its size, ``version`` as 160014.

    ``bootstrap`` is the role that owns its cluster; ``user`` the role that asks, ``host`` and ``port`` where.
    """

    name: str
    owner: str
    encoding: str
    collate: str
    ctype: str
    provider: str
    locale: str
    limit: int
    bytes: int
    bootstrap: str
    may_create: bool
    may_copy: bool
    user: str
    host: str
    port: int
    version: int

    @classmethod
    async def look(cls, session: PgSession) -> "Original":
        """Raises StatementFailed, ConnectionLost."""
        server = await session.server()
        row = [value or "" for value in (await session.query(load("rehearsal/database"))).rows[0]]
        name, owner, encoding, collate, ctype, provider, locale, limit, size, bootstrap, may_create, may_copy = row
        return cls(
            name,
            owner,
            encoding,
            collate,
            ctype,
            provider,
            locale,
            int(limit),
            int(size),
            bootstrap,
            may_create == "t",
            may_copy == "t",
            server.user,
            server.host,
            server.port,
            server.version,
        )

    @property
    def where(self) -> str:
        return f"{self.name} on {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Carried:
    """What a copy does not get by itself, in words, with the statement for it; None: it cannot have that."""

    what: str
    statement: str | None


async def carried(session: PgSession, database: str, copy: str, *, elsewhere: bool) -> list[Carried]:
    """Grants and settings of a database of this server, for a copy here or ``elsewhere``.

    Raises StatementFailed, ConnectionLost.
    """
    grants = await session.query(load("rehearsal/grants"), {"database": database, "copy": copy})
    found = [Carried(what or "", statement) for _, what, statement, _ in grants.rows]
    return found + await _settings(session, database, copy, elsewhere=elsewhere)


async def roles(session: PgSession, *, login: str) -> list[Carried]:
    """The server's roles for another one, in the order in which they can be made, one of which may log in there.

    Raises StatementFailed, ConnectionLost.
    """
    answer = await session.query(load("rehearsal/roles"), {"login": login})
    found = [Carried(what or "", statement) for _, what, statement in answer.rows]
    return found + await _settings(session, "", "", elsewhere=True)


async def _settings(session: PgSession, database: str, copy: str, *, elsewhere: bool) -> list[Carried]:
    names: dict[str, object] = {"database": database, "copy": copy, "elsewhere": elsewhere}
    answer = await session.query(load("rehearsal/settings"), names)
    return [Carried(what or "", statement) for what, statement in answer.rows]


async def carry_over(session: PgSession, carrying: list[Carried], told: Told) -> None:
    """Runs the statements; tells of each that is left out or refused. Raises ConnectionLost."""
    for each in carrying:
        why = "another server cannot have it"
        if each.statement is not None:
            try:
                await session.execute(each.statement)
                continue
            except StatementFailed as failure:
                why = failure.error.message
        told(safe(f"not carried over: {each.what} ({why})"))


async def refuse_if_begun(session: PgSession, runbook: Runbook, database: str) -> None:
    """Raises PlaceFailed where the ledger says that this runbook has begun there; StatementFailed, ConnectionLost."""
    begun = [row.step for row in await ledger.read(session, runbook.slug) if row.applied or row.completed is not None]
    if begun:
        raise PlaceFailed(
            f"{database} is not as it was before {runbook.slug}: its ledger says that {', '.join(begun)} ran there. "
            "Rehearse on a database from before the migration"
        )
