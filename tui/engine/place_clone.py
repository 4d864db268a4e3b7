"""A rehearsal on a clone: CREATE DATABASE … TEMPLATE on the database's own server."""

import asyncio
from types import TracebackType
from typing import Self

from tui.postgres import clone
from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import Dsn, PgSession, StatementFailed
from tui.runbook.model import Runbook

from .place import NAME, Kind, Original, PlaceFailed, Told, carried, carry_over, failing, once, to_the_end
from .place_fit import fit_to_copy, size_in_words
from .place_keeper import GUARDED, OURS, Keeper, open_beside
from .pooler import pooled

_IN_USE = "55006"
_LOCKED = "55P03"
# Our own sessions from before may still be on their way out.
_LEAVING = 2.0
_LOOK_EVERY = 0.1


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
        self._keeper: Keeper | None = None
        self._of: Original
        self._pristine: clone.Copy | None = None
        self._given: clone.Copy | None = None
        self._outside: set[tuple[str | None, ...]] = set()
        self._harm = ""

    async def __aenter__(self) -> Self:
        try:
            with failing("make a clone"):
                await self._begin()
        except BaseException:
            await to_the_end(self._leave())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises PlaceFailed where the rehearsal may have done to the server what no copy keeps in."""
        await to_the_end(self._leave())
        if self._harm and kind is None:
            raise PlaceFailed(self._harm)

    async def _begin(self) -> None:
        self._dsn = await clone.pinned(self._dsn, application_name=NAME)
        async with await PgSession.open(self._dsn, application_name=NAME, options=GUARDED) as source:
            self._of = await fit_to_copy(source, self._runbook)
            self.where = f"a clone of {safe(self._of.where)}"
            keeper = self._keeper = await Keeper.open(self._dsn, self._of, source)
            if (why := await pooled(source, await keeper.session())) is not None:
                raise PlaceFailed(why)
            for (extension,) in (await source.query(load("rehearsal/ways_out"))).rows:
                self._told(f"{extension} is installed: by it functions of the schema can reach beyond the copy")
        session = await keeper.session()
        await _swept(session, self._told)
        size = size_in_words(self._of.bytes)
        self._told(f"copies {safe(self._of.where)}, {size}: twice that is needed on its disk during the rehearsal")
        self._outside = await self._outside_now(session)
        await self._refuse_in_use(session)
        self._pristine = clone.Copy()
        try:
            await self._copy(keeper, self._pristine, self._of.name)
        except StatementFailed as failure:
            raise PlaceFailed(await self._why(session, failure)) from None

    async def _refuse_in_use(self, session: PgSession) -> None:
        """Before the server is asked to copy: for five seconds it waits for who is there, and lets nobody else in."""
        for _ in range(round(_LEAVING / _LOOK_EVERY)):
            if not (people := await self._connected(session)):
                return
            await asyncio.sleep(_LOOK_EVERY)
        raise PlaceFailed(self._in_use(people))

    async def _connected(self, session: PgSession) -> list[str]:
        """Who keeps the original from being copied, in words."""
        answer = await session.query(load("rehearsal/sessions"), {"database": self._of.name})
        return [safe(f"{what} of {role}{f', {state}' if state else ''}") for what, role, state in answer.rows]

    def _in_use(self, people: list[str]) -> str:
        connected = f"are: {'; '.join(people)}" if people else "was somebody who is gone by now"
        return (
            f"could not copy {safe(self._of.where)}: PostgreSQL copies a database only while nobody else is connected "
            f"to it; connected {connected}. End these, keep new ones out as long as the copying takes, and try "
            "again; or rehearse with --like, which disturbs nobody"
        )

    async def _copy(self, keeper: Keeper, copy: clone.Copy, template: str) -> None:
        session = await keeper.session()
        keeper.copies.append(copy)
        by_file = clone.by_file(self._of.bytes, self._of.version)
        await copy.create(session, template, of=self._of.name, owner=self._of.owner, by_file=by_file)

    async def _why(self, session: PgSession, failure: StatementFailed) -> str:
        error = failure.error
        if error.sqlstate == _IN_USE:
            return self._in_use(await self._connected(session))
        text = f"could not copy {safe(self._of.where)}: {' '.join(filter(None, (error.message, error.detail)))}"
        mend = error.hint
        if error.sqlstate == _LOCKED:
            mend = "Somebody alters it, comments on it or grants rights on it, and has not committed yet: try again"
        return f"{text}. {mend}" if mend else text

    async def fresh(self) -> Dsn:
        if self._keeper is None or self._pristine is None:
            raise PlaceFailed("there is no clone yet")
        with failing(f"make a fresh copy of {safe(self._of.where)}"):
            session = await self._keeper.session()
            if self._given is not None:
                await self._given.drop(session)
                self._keeper.copies.remove(self._given)
            self._given = copy = clone.Copy()
            await self._copy(self._keeper, copy, self._pristine.name)
            await carry_over(session, await carried(session, self._of.name, copy.name, elsewhere=False), self._told)
            await copy.open_up(session, self._of.limit)
            dsn = self._dsn.with_(dbname=copy.name)
            async with await PgSession.open(dsn, application_name=NAME, options=OURS) as inside:
                await copy.refuse_other(inside, session)
                await self._shut_off(inside)
        return dsn

    async def _shut_off(self, inside: PgSession) -> None:
        """From the original's ledger, which is its own affair, and from the servers that it has a way to."""
        await inside.execute("DROP SCHEMA IF EXISTS lockstep CASCADE")
        # Guarded for our question alone: event triggers find what they name as they do in the original.
        await inside.execute("BEGIN")
        await inside.execute("SET LOCAL search_path TO pg_catalog")
        mappings = [row[0] or "" for row in (await inside.query(load("rehearsal/mappings"))).rows]
        await inside.execute("COMMIT")
        for statement in mappings:
            await inside.execute(statement)
        if mappings:
            count = f"{len(mappings)} user mapping{'s'[: len(mappings) > 1]}"
            self._told(f"left out: {count}, so that no other server is reached")

    async def _outside_now(self, session: PgSession) -> set[tuple[str | None, ...]]:
        return set((await session.query(load("rehearsal/outside"), {"database": self._of.name})).rows)

    async def _compare(self, keeper: Keeper) -> None:
        """Roles, and what is set for the original, are in no copy: what a migration does to them stays done."""
        host = safe(self._of.host)
        try:
            with failing("look for what changed outside of the copies"):
                changed = {row[0] or "" for row in await self._outside_now(await keeper.session()) ^ self._outside}
        except PlaceFailed as failure:
            self._harm = f"{failure}; so nothing is proven"
            return
        if changed:
            names = safe(", ".join(sorted(changed)))
            self._told(f"changed on {host} since the rehearsal began, and left so: {names}")
            self._harm = (
                f"outside of the copies there changed on {host} during the rehearsal: {names}. A script did that, or "
                "somebody else meanwhile: look at it; nothing is proven. Rehearse with --like or --fixture"
            )

    async def _leave(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        try:
            await keeper.stop_watching()
            for copy in (self._pristine, self._given):
                if copy is not None:
                    await self._drop(keeper, copy)
            if self._pristine is not None:
                await self._compare(keeper)
        finally:
            await keeper.close()

    async def _drop(self, keeper: Keeper, copy: clone.Copy) -> None:
        try:
            with failing(f"drop {copy.name}"):
                await copy.drop(await keeper.session())
        except PlaceFailed as failure:
            self._told(safe(f"on {self._of.host}: {_stays(str(failure), copy.name)}"))


async def sweep(dsn: Dsn) -> list[str]:
    """Drops the clones of rehearsals that died on this server; gives their names. Raises PlaceFailed."""
    with failing("look for what earlier rehearsals left"):
        async with await open_beside(dsn) as session:
            return (await clone.sweep(session))[0]


async def _swept(session: PgSession, told: Told) -> None:
    gone, stay = await clone.sweep(session)
    for name in gone:
        told(f"dropped {name}, which a rehearsal left that died")
    for name, why in stay:
        told(safe(_stays(f"could not drop {name}, which a rehearsal left that died: {why}", name)))


def _stays(failure: str, name: str) -> str:
    return f"{failure}; it stays until a later rehearsal there can drop it, or you: {clone.drops(name)}"
