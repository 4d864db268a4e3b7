"""The monitor's own connection: what goes on at the server, in two or three round trips, and never in anybody's way."""

import asyncio
import codecs
import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import errors

from . import decode
from .queries import load
from .rows import MONITOR, Look, Replica, Session, Source, safe
from .session import CannotConnect, Dsn, Server, connect, hang_up, server_of
from .sources import EVERY, Schedule, too_old

APPLICATION_NAME = "lockstep monitor"
OPTIONS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "1000",
    "lock_timeout": "200",
    "idle_in_transaction_session_timeout": "5000",
    "jit": "off",
    # 100,000 locks in a temporary file would show among the database's own.
    "work_mem": "64MB",
    "TimeZone": "UTC",
    # Nobody's function or operator stands before the server's own.
    "search_path": "pg_catalog",
}
_ENCODING = "SQL_ASCII"
"""Sessions of other databases show their text in other encodings: conversion would fail on it, we replace."""
_CONNECT_TIMEOUT = "3"
_ANSWER_WITHIN = 5.0
"""Seconds until a connection that says nothing is taken for dead; the server's own timeouts are far shorter."""
_NAMES_HOLD = 1.0
"""Seconds that a name read from the catalog is believed: a rename shows after that at the latest."""
_MOST_NAMES = 10_000
"""From so many names on those are forgotten that the look at hand does not need."""
_LONGEST_BACKOFF = 30.0
_LONGEST_LOCK_BACKOFF = 2.0
"""Waiting for a catalog's lock costs the server nothing, and the guard is blind meanwhile."""
_LONGEST_RECONNECT = 5.0

_Rows = list[tuple[Any, ...]]


@dataclass
class _Refused:
    """A source that failed: not asked again before ``retry_at`` (monotonic seconds)."""

    source: Source
    retry_at: float
    backoff: float


class Monitor:
    """Looks at one server through one read-only autocommit connection, which it makes again when it breaks.

    It never raises what the server does to it: a source that fails is in ``Look.missing`` and the others go on.
    ``redacted``: queries come without their literals.
    """

    def __init__(self, dsn: Dsn, *, redacted: bool = False) -> None:
        self.server: Server | None = None
        """Whom it is connected to, or was last."""
        self._dsn = dsn.with_(connect_timeout=_CONNECT_TIMEOUT) if dsn.get("connect_timeout") is None else dsn
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._lost: _Refused | None = None
        self._refused: dict[str, _Refused] = {}
        self._names = decode.Names()
        self._read_names_at: dict[tuple[int, int], float] = {}
        self._redacted = redacted
        self._text = decode.Text("utf-8", redacted=redacted)
        self._transactions = 0
        self._asked: dict[str, None] = {}
        self._schedule = Schedule()
        self._kept: dict[str, _Rows] = {}
        self._replicas: tuple[Replica, ...] = ()

    async def look(self, of: Collection[int] = (), relations: Sequence[str] = (), within: float = math.inf) -> Look:
        """One look at everything. ``of``: sessions whose locks are read even when nobody waits.

        ``relations``: those whose locks are read, whoever holds them, by the names that looks give them.
        ``within``: seconds until the next look; where looks take much of them, what can wait is read more rarely.
        """
        started = time.monotonic()
        at = datetime.now(UTC)
        watchdog = asyncio.get_running_loop().call_later(_ANSWER_WITHIN, self.hang_up)
        try:
            if not await self._connected():
                return self._nothing(at, started)
            look = await self._look(at, started, of, relations)
            self._schedule.took(look.cost, within)
            return look
        except psycopg.OperationalError as error:
            self._lose(safe(str(error).strip()) or "the connection was lost")
            return self._nothing(at, started)
        finally:
            watchdog.cancel()

    def hang_up(self) -> None:
        """Breaks the connection under a look that is under way, which then ends at once."""
        if self._connection is not None:
            hang_up(self._connection)

    @property
    def connected(self) -> bool:
        return self._connection is not None and not self._connection.closed

    @property
    def backend_pid(self) -> int | None:
        """The pid of the connection's server process, while there is one."""
        connection = self._connection
        return None if connection is None or connection.closed else connection.info.backend_pid

    def pinned(self, dsn: Dsn) -> Dsn:
        """The same DSN for the very server that this monitor is connected to, where it names several."""
        connection = self._connection
        if connection is None or connection.closed:
            return dsn
        info = connection.info
        return dsn.with_(host=info.host, hostaddr=info.hostaddr, port=str(info.port))

    async def close(self) -> None:
        """Lets go of the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _look(self, at: datetime, started: float, of: Collection[int], relations: Sequence[str]) -> Look:
        self._asked.clear()
        due = self._schedule.due(started)
        found = await self._ask({"activity": None, "counters": None} | dict.fromkeys(due))
        activity = found["activity"]
        # A thousand sessions take longer than a key may wait for its frame.
        sessions = await asyncio.to_thread(self._sessions, activity or ())
        blind = activity is None or any(decode.hidden(session) for session in sessions)
        waiting = [session.pid for session in sessions if session.wait_event_type == "Lock"]

        more: dict[str, Mapping[str, object] | None] = {}
        if blind:
            more["waiting"] = None
        elif waiting:
            more["blocking"] = {"pids": waiting}
        if relations:
            more["held"] = {"names": list(relations)}
        if more:
            found |= await self._ask(more)
        pairs = found.get("waiting") or found.get("blocking") or []
        blocking = {pid: tuple(blockers) for pid, blockers in pairs if blockers}
        involved = {*waiting, *(pid for pid, _ in pairs)}.union(*blocking.values())
        if involved or of:
            # pg_blocking_pids names the leader also where a parallel worker alone holds the lock.
            pids, others = (_with_workers(some, sessions) for some in (of, involved))
            found |= await self._ask({"locks": {"pids": pids, "involved": others}})
        by_pid = {session.pid: session for session in sessions}
        kept = self._keep({name: found[name] for name in due}, by_pid if activity is not None else None)
        locks, progress = found.get("locks") or [], kept.get("progress", [])
        prepared = await self._name(locks, progress, any(0 in blockers for blockers in blocking.values()))

        counters = found["counters"]
        connections = None if activity is None else decode.connections(activity, sessions)
        self._asked |= dict.fromkeys(EVERY)
        return Look(
            at=at,
            cost=time.monotonic() - started,
            sessions=sessions,
            blocking=blocking,
            locks=tuple(decode.lock(row, self._text, self._names) for row in locks),
            prepared=prepared,
            progress=tuple(decode.progress(row, self._text, self._names) for row in progress),
            replicas=self._replicas,
            counters=decode.counters(counters[0], connections) if counters else None,
            own_transactions=self._transactions,
            missing=tuple(self._refused[name].source for name in self._asked if name in self._refused),
            held=tuple((self._text(name), pid, self._text(mode)) for name, pid, mode in found.get("held") or ()),
            slots=tuple(decode.slot(row, self._text) for row in kept.get("slots", ())),
            horizon=next((decode.horizon(row, self._text) for row in kept.get("horizon", ())), None),
            rights=next((decode.rights(row, self._text) for row in kept.get("rights", ())), None),
            rarely=self._schedule.rarely,
        )

    def _sessions(self, rows: Sequence[tuple[Any, ...]]) -> tuple[Session, ...]:
        self._names.databases.update(
            (row[decode.DATID], self._text(row[decode.DATNAME])) for row in rows if row[decode.DATID]
        )
        return tuple(decode.session(row, self._text) for row in rows)

    def _keep(self, read: Mapping[str, _Rows | None], sessions: Mapping[int, Session] | None) -> Mapping[str, _Rows]:
        """What was read now or, of a source that can wait, last; nothing of one that failed."""
        for name, rows in read.items():
            if rows is None:
                self._kept.pop(name, None)
            else:
                self._kept[name] = rows
        if "replication" in read and (sessions is not None or read["replication"] is None):
            # A sender that connected between the two questions has no name yet: the next reading has it.
            senders = [row for row in self._kept.get("replication", ()) if row[0] in (sessions or {})]
            self._replicas = tuple(decode.replica(row, self._text, sessions or {}) for row in senders)
        return self._kept

    async def _name(self, locks: _Rows, progress: _Rows, prepared: bool) -> Mapping[str, str]:
        """Reads the names that are not known, or not any more; gives the prepared transactions' where asked for."""
        now = time.monotonic()
        here = self._names.here
        wanted = decode.relations(locks, here) | decode.objects(locks, here) | decode.progressing(progress, here)
        if len(self._names.known) > _MOST_NAMES:
            self._names.known = {key: name for key, name in self._names.known.items() if key in wanted}
            self._read_names_at = {key: at for key, at in self._read_names_at.items() if key in wanted}
        stale = {key for key in wanted if now - self._read_names_at.get(key, -_NAMES_HOLD) >= _NAMES_HOLD}
        ask: dict[str, Mapping[str, object] | None] = {}
        if oids := [oid for catalog, oid in stale if catalog == decode.PG_CLASS]:
            ask["relations"] = {"oids": oids}
        if others := [key for key in stale if key[0] != decode.PG_CLASS]:
            ask["objects"] = {"classes": [c for c, _ in others], "objects": [o for _, o in others]}
        if prepared:
            ask["prepared"] = None
        if not ask:
            return {}
        found = await self._ask(ask)
        if (relations := found.get("relations")) is not None:
            self._learn([(decode.PG_CLASS, oid) for oid in oids], [(decode.PG_CLASS, *row) for row in relations], now)
        if (described := found.get("objects")) is not None:
            self._learn(others, described, now)
        return {self._text(xid): self._text(gid) for xid, gid in found.get("prepared") or ()}

    def _learn(self, asked: Sequence[tuple[int, int]], rows: _Rows, now: float) -> None:
        for key in asked:
            self._names.known[key] = None
            self._read_names_at[key] = now
        self._names.known.update({(catalog, oid): name and self._text(name) for catalog, oid, name in rows})

    async def _ask(self, questions: Mapping[str, Mapping[str, object] | None]) -> dict[str, _Rows | None]:
        """All questions in one round trip, each its own transaction; None where a source does not answer.

        Raises psycopg.OperationalError when the connection is gone.
        """
        connection = self._connection
        assert connection is not None
        now = time.monotonic()
        version = connection.info.server_version
        cursors: dict[str, psycopg.AsyncCursor[Any]] = {}
        failures: list[psycopg.Error] = []
        self._asked |= dict.fromkeys(questions)
        try:
            async with connection.pipeline() as pipeline:
                for name, parameters in questions.items():
                    if name in self._refused and now < self._refused[name].retry_at:
                        continue
                    cursors[name] = cursor = connection.cursor(binary=True)
                    try:
                        await cursor.execute(load(f"monitor/{name}", version), parameters, prepare=True)
                        await pipeline.sync()
                    except psycopg.Error as error:
                        failures.append(error)
        except psycopg.Error as error:
            failures.append(error)
        if self._connection_gone():
            raise psycopg.OperationalError(str(failures[0]) if failures else "the connection was lost")
        self._transactions += len(cursors)
        answers: dict[str, _Rows | None] = dict.fromkeys(questions)
        silent = [name for name, cursor in cursors.items() if cursor.description is None]
        for name, cursor in cursors.items():
            if name not in silent:
                answers[name] = await cursor.fetchall()
                self._refused.pop(name, None)
        if len(failures) == len(silent):
            for name, failure in zip(silent, failures, strict=True):
                self._refuse(name, failure)
        else:
            # A pipeline may raise one error for several questions: whose it was, each has to say for itself.
            for name in silent:
                answers[name] = await self._ask_alone(name, load(f"monitor/{name}", version), questions[name])
        return answers

    async def _ask_alone(self, name: str, text: bytes, parameters: Mapping[str, object] | None) -> _Rows | None:
        connection = self._connection
        assert connection is not None
        self._transactions += 1
        try:
            rows = await (await connection.cursor(binary=True).execute(text, parameters, prepare=False)).fetchall()
        except psycopg.Error as error:
            if self._connection_gone():
                raise psycopg.OperationalError(str(error)) from None
            self._refuse(name, error)
            return None
        self._refused.pop(name, None)
        return rows

    def _refuse(self, name: str, error: psycopg.Error) -> None:
        before = self._refused.get(name)
        longest = _LONGEST_LOCK_BACKOFF if isinstance(error, errors.LockNotAvailable) else _LONGEST_BACKOFF
        backoff = min(before.backoff * 2, longest) if before else 1.0
        if isinstance(error, _FOR_GOOD):
            # No second look changes that: not again on this connection.
            backoff = float("inf")
        why = _WORDS.get(type(error)) or safe(error.diag.message_primary or str(error))
        source = before.source if before and before.source.why == why else Source(name, why, datetime.now(UTC))
        self._refused[name] = _Refused(source, time.monotonic() + backoff, backoff)

    async def _connected(self) -> bool:
        if self.connected and not self._connection_gone():
            return True
        if self._lost is not None and time.monotonic() < self._lost.retry_at:
            return False
        await self.close()
        try:
            connection = await connect(
                self._dsn, application_name=APPLICATION_NAME, options=OPTIONS, client_encoding=_ENCODING
            )
        except CannotConnect as error:
            self._lose(str(error))
            return False
        if why := too_old(connection.info.server_version):
            await connection.close()
            self._lose(why)
            return False
        # The catalog's own tables do not change under us: a plan may be kept.
        connection.prepare_threshold = 0
        self._connection, self._lost = connection, None
        self._refused.clear()
        self._schedule, self._replicas = Schedule(), ()
        self._kept.clear()
        self._read_names_at.clear()
        self._names = decode.Names()
        codec = _codec(connection.info.parameter_status("server_encoding") or "")
        self._text = decode.Text(codec, redacted=self._redacted)
        self._transactions = 0
        try:
            answer = await connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
            row: Any = await answer.fetchone()
            self._names.here = row[0]
            self.server = server_of(connection.info, None, row[0])
        except psycopg.Error as error:
            await self.close()
            self._lose(safe(str(error)))
            return False
        return True

    def _connection_gone(self) -> bool:
        return self._connection is None or self._connection.closed or self._connection.broken

    def _lose(self, why: str) -> None:
        before = self._lost
        backoff = min(before.backoff * 2, _LONGEST_RECONNECT) if before else 0.25
        source = Source(MONITOR, why, before.source.since if before else datetime.now(UTC))
        self._lost = _Refused(source, time.monotonic() + backoff, backoff)

    def _nothing(self, at: datetime, started: float) -> Look:
        missing = () if self._lost is None else (self._lost.source,)
        return Look(at=at, cost=time.monotonic() - started, missing=missing)


def _with_workers(pids: Collection[int], sessions: Iterable[Session]) -> list[int]:
    """These sessions and their parallel workers, whose locks are theirs."""
    workers = (s.pid for s in sessions if s.leader_pid in pids and s.backend_type == "parallel worker")
    return [*pids, *workers]


_FOR_GOOD = errors.InsufficientPrivilege, errors.UndefinedFunction, errors.UndefinedTable, errors.UndefinedColumn
_WORDS: Mapping[type[psycopg.Error], str] = {
    errors.InsufficientPrivilege: "not permitted",
    errors.QueryCanceled: "too slow: no answer within 1 s",
    errors.LockNotAvailable: "a catalog is locked",
}


def _codec(server_encoding: str) -> str:
    """Python's name of a PostgreSQL encoding; UTF-8 where there is none, which shows what it cannot read as �."""
    name = server_encoding.replace("WIN", "cp") if server_encoding.startswith("WIN") else server_encoding
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "utf-8"
