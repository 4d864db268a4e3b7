"""Copies of a database for a rehearsal, on its own server: marked so that nothing else is ever taken for one."""

from contextlib import suppress
from datetime import UTC, datetime
from secrets import token_hex
from typing import Final

from psycopg import sql

from .queries import load
from .session import PgSession, StatementFailed

SPACE: Final = 0x10C57EC
"""The first key of the advisory locks of copies; the second is the number in the copy's name."""
_MARK: Final = "Lockstep: rehearsal copy of "
# CREATE DATABASE sets no comment: until that follows, a connection limit that nobody else would choose is the mark.
_MAKING: Final = SPACE
_LARGE: Final = 1 << 30


class Copy:
    """One copy, from its name on: ``lockstep_rehearsal_`` and eight hex digits."""

    def __init__(self) -> None:
        self.name = f"lockstep_rehearsal_{token_hex(4)}"

    async def lock(self, session: PgSession) -> None:
        """Keeps the copy from being swept, as long as ``session`` lives. Raises StatementFailed, ConnectionLost."""
        await session.query(load("rehearsal/lock"), {"space": SPACE, "copy": self.name})

    async def create(self, session: PgSession, template: str, *, of: str, owner: str, by_file: bool) -> None:
        """Makes the copy under ``session``'s lock; nobody can connect to it before ``open_up``.

        ``by_file``: not through the WAL, which PostgreSQL 15 and later do by default. Raises StatementFailed,
        ConnectionLost.
        """
        await self.lock(session)
        statement = "CREATE DATABASE {} TEMPLATE {} OWNER {} ALLOW_CONNECTIONS false CONNECTION LIMIT {}"
        statement += " STRATEGY file_copy" if by_file else ""
        await _do(session, statement, self._id, sql.Identifier(template), sql.Identifier(owner), sql.Literal(_MAKING))
        begun = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        mark = f"{_MARK}{of}, begun {begun}; it goes when its rehearsal ends, or when the next one begins"
        await _do(session, "COMMENT ON DATABASE {} IS {}", self._id, sql.Literal(mark))

    async def open_up(self, session: PgSession, limit: int) -> None:
        """Lets others connect, with the original's connection limit. Raises StatementFailed, ConnectionLost."""
        statement = "ALTER DATABASE {} ALLOW_CONNECTIONS true CONNECTION LIMIT {}"
        await _do(session, statement, self._id, sql.Literal(limit))

    async def drop(self, session: PgSession) -> None:
        """Drops it if it is there, with the sessions in it. Raises StatementFailed, ConnectionLost."""
        await _do(session, "DROP DATABASE IF EXISTS {} WITH (FORCE)", self._id)

    @property
    def _id(self) -> sql.Identifier:
        return sql.Identifier(self.name)


def by_file(size: int, version: int) -> bool:
    """Whether a template of so many bytes is copied by files on a server of this version (160014), or through the WAL.

    By the manual of CREATE DATABASE: through the WAL suits small templates and spares two checkpoints.
    """
    return version >= 150000 and size > _LARGE


async def sweep(session: PgSession) -> list[str]:
    """Drops the copies of rehearsals that died and gives their names; one that cannot be dropped stays.

    Raises StatementFailed, ConnectionLost.
    """
    marks: dict[str, object] = {"space": SPACE, "mark": _MARK, "limit": _MAKING}
    gone = []
    for (name,) in (await session.query(load("rehearsal/orphans"), marks)).rows:
        # Somebody went in meanwhile, or another rehearsal sweeps as well.
        with suppress(StatementFailed):
            await _do(session, "DROP DATABASE {}", sql.Identifier(name or ""))
            gone.append(name or "")
    return gone


async def recreate(session: PgSession, name: str, template: str, *, owner: str, limit: int = -1) -> None:
    """Makes the database as a copy of ``template``, on a server that is all ours. Raises StatementFailed, …Lost."""
    target = sql.Identifier(name)
    await _do(session, "DROP DATABASE IF EXISTS {} WITH (FORCE)", target)
    statement = "CREATE DATABASE {} TEMPLATE {} OWNER {} CONNECTION LIMIT {}"
    await _do(session, statement, target, sql.Identifier(template), sql.Identifier(owner), sql.Literal(limit))


async def drop_others(session: PgSession, kept: frozenset[str]) -> None:
    """Drops every database but these, on a server that is all ours. Raises StatementFailed, ConnectionLost."""
    for (name,) in (await session.query("SELECT datname FROM pg_catalog.pg_database")).rows:
        if name is not None and name not in kept:
            await _do(session, "DROP DATABASE {} WITH (FORCE)", sql.Identifier(name))


async def empty(session: PgSession, name: str, **options: str) -> None:
    """Makes an empty database with these options of CREATE DATABASE. Raises StatementFailed, ConnectionLost."""
    given = [sql.SQL(f"{key} {{}}").format(sql.Literal(value)) for key, value in options.items()]
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(
        sql.Identifier(name), sql.SQL(" ").join(given)
    )
    await session.execute(statement.as_string())


async def close_off(session: PgSession, name: str) -> None:
    """Lets nobody connect to it from now on, so that it stays what it is. Raises StatementFailed, ConnectionLost."""
    await _do(session, "ALTER DATABASE {} ALLOW_CONNECTIONS false", sql.Identifier(name))


async def _do(session: PgSession, statement: str, *parts: sql.Composable) -> None:
    await session.execute(sql.SQL(statement).format(*parts).as_string())
