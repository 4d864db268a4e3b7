"""Copies of a database for a rehearsal, on its own server: marked so that nothing else is ever taken for one."""

import asyncio
from datetime import UTC, datetime
from functools import cache
from secrets import token_hex
from typing import Final

from psycopg import sql

from .queries import load
from .session import Dsn, PgSession, StatementFailed, connect

SPACE: Final = 0x10C57EC
"""The first key of the advisory locks of copies; the second is the number in the copy's name."""
_MARK: Final = "Lockstep: rehearsal copy of "
# CREATE DATABASE sets no comment: until that follows, a connection limit that nobody else would choose is the mark.
_MAKING: Final = SPACE
_LARGE: Final = 1 << 30
_GONE: Final = "3D000"
_NO_RIGHT: Final = "42501"
_GOING_FOR: Final = 25.0
_GOING_EVERY: Final = 0.1


@cache
def _begun() -> str:
    """One for all copies of a rehearsal: they are compared with each other."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


class NotOurs(Exception):
    """A database is not the copy that we made, or another session has its lock; the text says which."""


class Copy:
    """One copy, from its name on: ``lockstep_rehearsal_`` and eight hex digits."""

    def __init__(self) -> None:
        self.name = f"lockstep_rehearsal_{token_hex(4)}"
        self._made = False

    async def lock(self, session: PgSession) -> None:
        """Keeps the copy from being swept, as long as ``session`` lives. Raises NotOurs, StatementFailed, …Lost."""
        if (await session.query(load("rehearsal/lock"), {"space": SPACE, "copy": self.name})).rows[0][0] != "t":
            raise NotOurs(f"another session has the lock of {self.name}")

    async def create(self, session: PgSession, template: str, *, of: str, owner: str, by_file: bool) -> None:
        """Makes the copy under ``session``'s lock; nobody can connect to it before ``open_up``.

        ``by_file``: not through the WAL, which PostgreSQL 15 and later do by default. Raises NotOurs, StatementFailed,
        ConnectionLost.
        """
        await self.lock(session)
        statement = "CREATE DATABASE {} TEMPLATE {} OWNER {} ALLOW_CONNECTIONS false CONNECTION LIMIT {}"
        statement += " STRATEGY file_copy" if by_file else ""
        await _do(session, statement, self._id, sql.Identifier(template), sql.Identifier(owner), sql.Literal(_MAKING))
        self._made = True
        mark = f"{_MARK}{of}, begun {_begun()}; it goes when its rehearsal ends, or when the next one begins"
        await _do(session, "COMMENT ON DATABASE {} IS {}", self._id, sql.Literal(mark))

    async def open_up(self, session: PgSession, limit: int) -> None:
        """Lets others connect, with the original's connection limit. Raises StatementFailed, ConnectionLost."""
        statement = "ALTER DATABASE {} ALLOW_CONNECTIONS true CONNECTION LIMIT {}"
        await _do(session, statement, self._id, sql.Literal(limit))

    async def drop(self, session: PgSession) -> None:
        """Drops it if it is there, with the sessions in it; only what has our mark, and under our lock.

        Raises NotOurs, StatementFailed, ConnectionLost.
        """
        asked: dict[str, object] = {"copy": self.name, "space": SPACE, "mark": _MARK, "limit": _MAKING}
        found = (await session.query(load("rehearsal/ours"), asked)).rows
        if found and found[0][0] == "t":
            await _drop(session, self.name, force=True)
        elif found and self._made:
            raise NotOurs(f"{self.name} has lost the mark or the lock of the copy that we made")

    async def refuse_other(self, inside: PgSession, keeper: PgSession) -> None:
        """Raises NotOurs where ``inside`` is in another database than this copy; StatementFailed, ConnectionLost."""
        ask = "SELECT oid, datname FROM pg_catalog.pg_database WHERE datname = "
        here = (await inside.query(f"{ask}current_database()")).rows
        there = (await keeper.query(f"{ask}%(copy)s", {"copy": self.name})).rows
        if here != there:
            raise NotOurs(
                f"what lies between us and the server leads {self.name} to the database {here[0][1]}: connect to the "
                "server itself"
            )

    @property
    def _id(self) -> sql.Identifier:
        return sql.Identifier(self.name)


def by_file(size: int, version: int) -> bool:
    """Whether a template of so many bytes is copied by files on a server of this version (160014), or through the WAL.

    By the manual of CREATE DATABASE: through the WAL suits small templates and spares two checkpoints.
    """
    return version >= 150000 and size > _LARGE


def drops(name: str) -> str:
    """The statement that drops the database."""
    return sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)).as_string()


async def sweep(session: PgSession) -> tuple[list[str], list[tuple[str, str]]]:
    """Drops the copies of rehearsals that died; gives the names of these, and of those that stay with the reason why.

    Raises StatementFailed, ConnectionLost.
    """
    marks: dict[str, object] = {"space": SPACE, "mark": _MARK, "limit": _MAKING}
    gone, stay = [], []
    for _ in range(round(_GOING_FOR / _GOING_EVERY)):
        orphans = (await session.query(load("rehearsal/orphans"), marks)).rows
        if not any(going == "t" for _, going in orphans):
            break
        await asyncio.sleep(_GOING_EVERY)
    for name, _ in orphans:
        # Somebody may have gone in meanwhile, or another rehearsal sweeps as well.
        try:
            await _drop(session, name or "", force=False)
            gone.append(name or "")
        except StatementFailed as failure:
            if failure.error.sqlstate != _GONE:
                stay.append((name or "", " ".join(filter(None, (failure.error.message, failure.error.detail)))))
    return gone, stay


async def pinned(dsn: Dsn, *, application_name: str) -> Dsn:
    """The same target without a choice: of several hosts the one that answers now. Raises CannotConnect."""
    connection = await connect(dsn, application_name=application_name)
    try:
        info = connection.info
        return dsn.with_(host=info.host, hostaddr=info.hostaddr, port=str(info.port))
    finally:
        await connection.close()


async def who(session: PgSession) -> dict[str, object]:
    """The session's server process, so that no other is ever taken for it. Raises StatementFailed, ConnectionLost."""
    answer = await session.query(
        "SELECT pid, backend_start::text FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()"
    )
    return {"pid": int(answer.rows[0][0] or 0), "started": answer.rows[0][1]}


async def end(session: PgSession, lost: dict[str, object], copies: list[Copy]) -> None:
    """Ends a server process of ours whose connection is lost, which may still be copying, and waits until it is gone.

    Only one that has the lock of a copy of ours is taken for it: behind a pooler it may be somebody else's by now.
    Raises NotOurs when it does not go, StatementFailed, ConnectionLost.
    """
    asked = lost | {"space": SPACE, "copies": [copy.name for copy in copies]}
    for _ in range(round(_GOING_FOR / _GOING_EVERY)):
        if not (await session.query(load("rehearsal/end"), asked)).rows:
            return
        await asyncio.sleep(_GOING_EVERY)
    raise NotOurs(f"session {lost['pid']}, which was ours, does not end")


async def empty(session: PgSession, name: str, **options: str) -> None:
    """Makes an empty database with these options of CREATE DATABASE, on a server that is all ours.

    One of that name is dropped. Raises StatementFailed, ConnectionLost.
    """
    if (await session.query("SELECT FROM pg_catalog.pg_database WHERE datname = %(name)s", {"name": name})).rows:
        await _drop(session, name, force=True)
    given = [sql.SQL(f"{key} {{}}").format(sql.Literal(value)) for key, value in options.items()]
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(
        sql.Identifier(name), sql.SQL(" ").join(given)
    )
    await session.execute(statement.as_string())


async def hand_over(session: PgSession, name: str, *, owner: str, limit: int) -> None:
    """Gives the database its owner and its connection limit. Raises StatementFailed, ConnectionLost."""
    target = sql.Identifier(name)
    await _do(session, "ALTER DATABASE {} OWNER TO {}", target, sql.Identifier(owner))
    await _do(session, "ALTER DATABASE {} CONNECTION LIMIT {}", target, sql.Literal(limit))


async def _drop(session: PgSession, name: str, *, force: bool) -> None:
    target = sql.Identifier(name)
    template = "SELECT FROM pg_catalog.pg_database WHERE datname = %(name)s AND datistemplate"
    if (await session.query(template, {"name": name})).rows:
        # Only then: the server refuses to alter a database whose dropping was cut short, and ends who asks for it.
        await _do(session, "ALTER DATABASE {} IS_TEMPLATE false", target)
    if force:
        try:
            await _do(session, "DROP DATABASE {} WITH (FORCE)", target)
            return
        except StatementFailed as failure:
            # An ordinary role may not end a worker of autovacuum by FORCE; without FORCE the server ends it by itself.
            if failure.error.sqlstate != _NO_RIGHT:
                raise
    await _do(session, "DROP DATABASE {}", target)


async def _do(session: PgSession, statement: str, *parts: sql.Composable) -> None:
    await session.execute(sql.SQL(statement).format(*parts).as_string())
