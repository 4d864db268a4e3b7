"""The connections of a run that are not the monitor's: the runner's and the operator's, which holds the run's lock."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import CannotConnect, ConnectionLost, Dsn, PgSession, Server, StatementFailed, Table

from .facts import Holder, Target
from .pooler import pooled

RUNNER = "lockstep runner"
OPERATOR = "lockstep operator"
BESIDE = "lockstep beside"
ONLOOKER = "lockstep onlooker"

LOCK_SPACE = 0x10C57E9
"""The first of the two keys of our advisory locks, Lockstep's alone."""
SCRIPT_SPACE = LOCK_SPACE + 1
"""The same for scripts under way."""
# And the one after it for the moment in which a run was taken in hand.
_SINCE_SPACE = LOCK_SPACE + 2

_KEPT = {
    # The window has quiet hours: the server must not take a session of ours for a forgotten one.
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    # A console whose machine vanished lets go of its locks within 15 s, and a hiccup of the network is survived.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
_LOOKING = {
    "default_transaction_read_only": "on",
    # It asks every second; behind somebody's lock it does not stand in a queue.
    "lock_timeout": "500",
    "statement_timeout": "5000",
}
_LONGEST_NAME = 63
# From version 16 on the server writes each byte outside ASCII as \xc3, before that as ?.
_ESCAPED = re.compile(r"(?:\\x[0-9a-f]{2})+")
# A console that was killed leaves a session that the server still has to notice.
_GOING_FOR = 2.0
_GOING_EVERY = 0.1
_OWN_GOING_FOR = 25.0
_ANSWER_WITHIN = 10.0
_RECONNECT_FOR = 600.0
_RECONNECT_EVERY = 0.5

Waiting = Callable[[str], Awaitable[None]]
"""Is told why a server is still waited for, each time that the reason is another one."""


class OtherOperator(Exception):
    """Another console has this run in hand; the text says who and since when."""


class WrongTarget(Exception):
    """The database is not what the runbook needs; the text says what and where."""


class Connections:
    """Both are there from ``open`` to ``close``; a lost one is replaced, always by one to the same database.

    For who only looks both are one and the same, which the server lets write nothing.
    """

    def __init__(self, dsn: Dsn, runner: PgSession, operator: PgSession, server: Server, name: str) -> None:
        self._looks_only = operator is runner
        self.runner = runner
        self.operator = operator
        self.server = server
        """The server as it was at the opening."""
        self._dsn = dsn
        self._operator_name = name
        self._locked: str | None = None
        self._renewing = asyncio.Lock()

    @classmethod
    async def open(cls, dsn: Dsn, operator_name: str = "", *, read_only: bool = False) -> "Connections":
        """Raises CannotConnect, and WrongTarget for a standby and for a pooler that we cannot work through."""
        if read_only:
            return await cls._open_to_look(dsn)
        async with AsyncExitStack() as opened:
            runner = await opened.enter_async_context(await PgSession.open(dsn, application_name=RUNNER))
            name = application_name(operator_name)
            operator = await opened.enter_async_context(await PgSession.open(dsn, application_name=name))
            try:
                # Before any setting: through a pooler it would stay behind in a session of the application's.
                if (why := await pooled(runner, operator)) is not None:
                    raise WrongTarget(why)
                server = await runner.server()
                for session in (runner, operator):
                    await _no_standby(session, server)
                    await session.keep(_KEPT)
            except ConnectionLost as lost:
                raise CannotConnect(str(lost)) from None
            opened.pop_all()
            return cls(dsn, runner, operator, server, name)

    @classmethod
    async def _open_to_look(cls, dsn: Dsn) -> "Connections":
        async with AsyncExitStack() as opened:
            session = await opened.enter_async_context(
                await PgSession.open(dsn, application_name=ONLOOKER, options=_LOOKING)
            )
            try:
                server = await session.server()
                await _no_standby(session, server)
            except ConnectionLost as lost:
                raise CannotConnect(str(lost)) from None
            opened.pop_all()
            return cls(dsn, session, session, server, ONLOOKER)

    @property
    def pids(self) -> frozenset[int]:
        return frozenset({self.runner.backend_pid, self.operator.backend_pid})

    # Who has the run in hand

    async def take_lock(self, runbook: str) -> None:
        """One operator a runbook and database, for as long as the operator's connection lives.

        Raises OtherOperator, CannotConnect, WrongTarget, ConnectionLost.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _GOING_FOR
        while not await self.try_lock(runbook):
            if loop.time() > deadline:
                raise OtherOperator(_told(runbook, await self.holder(runbook)))
            await asyncio.sleep(_GOING_EVERY)

    async def _take_back(self, runbook: str, waiting: Waiting | None) -> None:
        """The lock of a session of ours that is lost: the server may take its time until it notices that."""
        until = asyncio.get_running_loop().time() + _OWN_GOING_FOR
        told = False
        while not await self.try_lock(runbook) and asyncio.get_running_loop().time() < until:
            holder = await self.holder(runbook)
            if holder is not None and holder.operator != _operator(self._operator_name):
                break
            if waiting is not None and not told:
                told = True
                await waiting("the server still keeps the session of ours that was lost")
            await asyncio.sleep(_GOING_EVERY)
        await self.take_lock(runbook)

    async def release(self) -> None:
        """Lets go of the run, for others to take in hand. Raises ConnectionLost."""
        self._locked = None
        await self.operator.execute("SELECT pg_advisory_unlock_all()")

    async def try_lock(self, runbook: str) -> bool:
        """``take_lock`` in one try: True when the run is ours. Raises CannotConnect, WrongTarget, ConnectionLost."""
        if self._locked == runbook and not self.operator.lost:
            return True
        # Only ever tried, never waited for: a waiting session would be in the way of CONCURRENTLY.
        answer = await self._ask("operator/lock", _keys(runbook))
        if answer.rows[0][0] != "t":
            return False
        self._locked = runbook
        return True

    async def holder(self, runbook: str) -> Holder | None:
        """Who has the run in hand, if anybody: maybe ourselves. Raises CannotConnect, WrongTarget, ConnectionLost."""
        return _holder(await self._ask("operator/holder", _keys(runbook)))

    async def hold(self, runbook: str, target: Target | None = None, waiting: Waiting | None = None) -> None:
        """Sees that the operator's connection and its lock are still there; a lost one is made again.

        With ``waiting`` a server that is away is waited for as ``renew_runner`` does, else it is tried once. Raises
        OtherOperator when somebody else took the run in hand meanwhile, CannotConnect, WrongTarget and ConnectionLost.
        """
        watchdog = asyncio.get_running_loop().call_later(_ANSWER_WITHIN, self.operator.hang_up)
        try:
            await self.operator.query("SELECT 1")
        except ConnectionLost:
            await self._renew_operator(target, waiting)
        finally:
            watchdog.cancel()
        if self._locked != runbook:
            await self._take_back(runbook, waiting)

    async def _ask(self, name: str, keys: dict[str, object]) -> Table:
        """Asks on the operator's connection; if it is lost, once more on a new one, which holds no lock yet."""
        try:
            return await self.operator.ask(load(name), keys)
        except ConnectionLost:
            if self._looks_only:
                raise
            await self._renew_operator(None, None)
            return await self.operator.ask(load(name), keys)

    async def _renew_operator(self, target: Target | None, waiting: Waiting | None) -> None:
        async with self._renewing:
            if not self.operator.lost:
                return
            self._locked = None
            await self.operator.close()
            patience = _RECONNECT_FOR if waiting else 0.0
            self.operator = await self._connect(self._operator_name, target, waiting, patience)

    # Connecting again

    async def renew_runner(self, target: Target | None = None, waiting: Waiting | None = None) -> PgSession:
        """A new connection for the runner in place of a lost one, to the same database.

        A server that restarts, recovers, refuses connections or is still a standby is waited for, ten minutes long.
        ``target`` is the database that the run began on, where that is not the one of ``open``. Raises CannotConnect
        after that time, and WrongTarget when another database answers.
        """
        await self.runner.close()
        self.runner = await self._connect(ONLOOKER if self._looks_only else RUNNER, target, waiting, _RECONNECT_FOR)
        if self._looks_only:
            self.operator = self.runner
        return self.runner

    async def _connect(self, name: str, target: Target | None, waiting: Waiting | None, patience: float) -> PgSession:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        told = None
        while True:
            try:
                return await self._connect_once(name, target or self.server)
            except CannotConnect as failure:
                if loop.time() >= deadline:
                    raise
                if waiting is not None and failure.why != told:
                    told = failure.why
                    await waiting(told)
            await asyncio.sleep(_RECONNECT_EVERY)

    async def _connect_once(self, name: str, expected: Target | Server) -> PgSession:
        async with AsyncExitStack() as opened:
            options = _LOOKING if self._looks_only else None
            session = await opened.enter_async_context(
                await PgSession.open(self._dsn, application_name=name, options=options)
            )
            try:
                await session.ask_pid()
                if standby := await _same_but_standby(session, expected):
                    why = f"{standby} is a standby in recovery: waiting for the primary"
                    raise CannotConnect(why)
                if not self._looks_only:
                    await session.keep(_KEPT)
            except (ConnectionLost, StatementFailed) as lost:
                # It went away again while we looked at it.
                raise CannotConnect(str(lost)) from None
            opened.pop_all()
            return session

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[PgSession | None]:
        """A second session for a moment, where the server has one left for us."""
        try:
            session = await PgSession.open(self._dsn, application_name=BESIDE)
        except CannotConnect:
            yield None
            return
        async with session:
            yield session

    async def close(self) -> None:
        await self.runner.close()
        await self.operator.close()


async def holder_of(session: PgSession, runbook: str) -> Holder | None:
    """Who has the run in hand, as any session may ask. Raises ConnectionLost, StatementFailed."""
    return _holder(await session.ask(load("operator/holder"), _keys(runbook)))


def _keys(runbook: str) -> dict[str, object]:
    return {"space": LOCK_SPACE, "since": _SINCE_SPACE, "runbook": runbook}


def _holder(answer: Table) -> Holder | None:
    if not answer.rows:
        return None
    pid, name, user, client, since = (value or "" for value in answer.rows[0])
    return Holder(int(pid), _operator(name), safe(user), safe(client), datetime.fromtimestamp(int(since), UTC))


def application_name(operator: str) -> str:
    """The operator's session as pg_stat_activity shows it, cut so that the server cuts nothing within a letter."""
    name = f"{OPERATOR}: " if operator else OPERATOR
    for letter in operator:
        if sum(1 if each.isascii() else 4 * len(each.encode()) for each in name + letter) > _LONGEST_NAME:
            break
        name += letter
    return name.rstrip()


def _operator(name: str) -> str:
    """The operator's name out of an application_name; empty where it has none."""
    if not name.startswith(f"{OPERATOR}: "):
        return ""
    given = name.removeprefix(f"{OPERATOR}: ")
    return safe(_ESCAPED.sub(lambda run: bytes.fromhex(run[0].replace("\\x", "")).decode(errors="replace"), given))


def _told(runbook: str, holder: Holder | None) -> str:
    if holder is None:
        return f"another console had {runbook} in hand and has just gone: try again"
    return (
        f"{holder.operator or 'another console'} has {runbook} in hand: session {holder.pid} of {holder.user} "
        f"from {holder.client}, since {holder.since:%Y-%m-%d %H:%M:%S} UTC"
    )


async def _no_standby(session: PgSession, server: Server) -> None:
    if await _same_but_standby(session, server):
        raise WrongTarget(
            f"{server.host}:{server.port} is a standby in recovery: connect to the primary "
            "(with several hosts: add target_session_attrs=read-write)"
        )


async def _same_but_standby(session: PgSession, expected: Target | Server) -> str:
    """Where the expected database answers as a standby; empty where it is the primary.

    Raises WrongTarget when it is another database, ConnectionLost, StatementFailed.
    """
    server = await session.server()
    where = f"{server.host}:{server.port}"
    ours, theirs = expected.system_identifier, server.system_identifier
    if None not in (ours, theirs) and ours != theirs:
        raise WrongTarget(
            f"another server answers at {where}: its system identifier is {theirs}, the run began on {ours}"
        )
    if safe(server.database) != safe(expected.database) or expected.database_oid not in (None, server.database_oid):
        raise WrongTarget(
            f"another database answers at {where}: {safe(server.database)} with oid {server.database_oid}, "
            f"the run began on {safe(expected.database)} with oid {expected.database_oid}"
        )
    answer = await session.query("SELECT pg_catalog.pg_is_in_recovery()")
    return where if answer.rows[0][0] == "t" else ""
