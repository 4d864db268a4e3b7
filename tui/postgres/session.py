"""Connections to PostgreSQL: how they are made, what they answer, and what their failures are called."""

import logging
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import conninfo
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from .queries import load
from .rows import PgError, safe

# What psycopg warns of reaches us as exceptions; without a handler it would be written over the screen.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

SECRETS = frozenset(["oauth_client_secret", "password", "scram_client_key", "scram_server_key", "sslpassword"])
"""The parameters that let in whoever knows them, by fe-connect.c of libpq 18: never shown, nor on a command line."""
CONNECT_TIMEOUT = 10
"""Seconds until a server that does not answer is given up, where the DSN and PGCONNECT_TIMEOUT say nothing."""
# A server whose machine vanished is noticed within 15 s, also while we wait for its answer; unless the DSN says else.
_NOTICED = {"keepalives_idle": "5", "keepalives_interval": "3", "keepalives_count": "3", "tcp_user_timeout": "15000"}


class CannotConnect(Exception):
    """No connection came about; the text says to where and why, without a password.

    ``why`` is the reason alone, as short as the server and libpq put it: ``the database system is starting up``.
    """

    def __init__(self, text: str, why: str = "") -> None:
        super().__init__(text)
        self.why = why or text


class ConnectionLost(Exception):
    """The connection broke; whether the last command took effect is not known from here."""


class StatementFailed(Exception):
    """The server refused a statement; ``error`` is its answer, field by field."""

    def __init__(self, error: PgError) -> None:
        super().__init__(f"{error.message} (SQLSTATE {error.sqlstate})")
        self.error = error


class Dsn:
    """Connection parameters as psql takes them (URI or key=value), which never show what is SECRETS of them.

    Raises CannotConnect when the text is no DSN.
    """

    __slots__ = ("_parameters",)

    def __init__(self, text: str = "", **parameters: str) -> None:
        try:
            self._parameters = {k: str(v) for k, v in conninfo.conninfo_to_dict(text, **parameters).items() if v}
        except psycopg.ProgrammingError as error:
            # libpq quotes the text that it could not read, password and all.
            why = str(error).split('"')[0].strip() or "not a connection string"
            why = 'missing "=" after a word' if why == "missing" else why
            raise CannotConnect(f"cannot read the DSN: {why}; write it as psql takes it") from None

    def with_(self, **parameters: str) -> "Dsn":
        """The same target with some parameters changed."""
        return Dsn(self.reveal(), **parameters)

    def reveal(self) -> str:
        """The whole connection string, password included: for libpq alone."""
        return conninfo.make_conninfo("", **self._parameters)

    def get(self, name: str) -> str | None:
        """One parameter, never a secret one."""
        return None if name in SECRETS else self._parameters.get(name)

    def __str__(self) -> str:
        hidden = {k: ("***" if k in SECRETS else v) for k, v in self._parameters.items()}
        return conninfo.make_conninfo("", **hidden)

    def __repr__(self) -> str:
        return f"Dsn({str(self)!r})"


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave. ``rows`` is the count of its command tag, None where the tag has none."""

    status: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """A query's answer as text, as psql shows it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Server:
    """Who answered. ``system_identifier`` is None where this role may not read it."""

    host: str
    port: int
    database: str
    user: str
    version: int
    system_identifier: int | None
    database_oid: int


async def connect(
    dsn: Dsn, *, application_name: str, options: Mapping[str, str] | None = None, client_encoding: str = "UTF8"
) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """An autocommit connection under this application_name, with settings given at its start.

    ``client_encoding`` goes before what DSN and environment say: we send UTF-8, and the server must know.
    Raises CannotConnect.
    """
    settings = "".join(f" -c {name}={value}" for name, value in (options or {}).items())
    given = dsn.get("options") or os.environ.get("PGOPTIONS", "")
    parameters = {
        "application_name": application_name,
        "options": f"{given}{settings}".strip(),
        "client_encoding": client_encoding,
    }
    if dsn.get("connect_timeout") is None and "PGCONNECT_TIMEOUT" not in os.environ:
        parameters["connect_timeout"] = str(CONNECT_TIMEOUT)
    parameters |= {name: value for name, value in _NOTICED.items() if dsn.get(name) is None}
    try:
        connection = await psycopg.AsyncConnection.connect(dsn.with_(**parameters).reveal(), autocommit=True)
    except psycopg.OperationalError as error:
        raise CannotConnect(safe(str(error).strip()), _why(str(error))) from None
    # A prepared statement would hide a table that was renamed since; every text is planned anew.
    connection.prepare_threshold = None
    return connection


def server_of(info: psycopg.ConnectionInfo, system_identifier: int | None, database_oid: int) -> Server:
    """Who is at the other end of this connection."""
    local = not info.host or info.host.startswith("/")
    host = "localhost" if local else safe(info.host)
    version = info.server_version
    return Server(host, info.port, info.dbname, info.user, version, system_identifier, database_oid)


def hang_up(connection: psycopg.AsyncConnection[Any]) -> None:
    """Shuts the connection's line in both directions; whoever waits on it hears of it at once."""
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as line, suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)


class PgSession:
    """One connection that runs statements one at a time and tells their failures in our own terms."""

    def __init__(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        self._connection = connection
        self.backend_pid: int = connection.info.backend_pid
        self._kept: Mapping[str, str] = {}
        self._refused: set[str] = set()
        self._last_word = ""
        connection.add_notice_handler(self._hear)

    @classmethod
    async def open(cls, dsn: Dsn, *, application_name: str, options: Mapping[str, str] | None = None) -> Self:
        """Connects; raises CannotConnect."""
        return cls(await connect(dsn, application_name=application_name, options=options))

    async def fresh(self) -> None:
        """The session as psql would find it at the start of a script: no role, setting or temporary table of before."""
        await self.execute("DISCARD ALL")
        await self._set_kept()
        # Where the server's platform can, it notices within a second that we died, and lets go of our locks.
        await self._set_where_allowed("client_connection_check_interval", "1s")
        # Where we may (superuser, or SET granted), we look for a deadlock before the application's sessions do, and so
        # are the ones who give way.
        await self._set_where_allowed("deadlock_timeout", "100ms")

    async def keep(self, settings: Mapping[str, str]) -> None:
        """Sets what this server's version knows of these, now and after every ``fresh``. Raises ConnectionLost."""
        self._kept = dict(settings)
        await self._set_kept()

    async def _set_kept(self) -> None:
        if not self._kept:
            return
        try:
            await self.ask(load("operator/keep"), {"names": list(self._kept), "values": list(self._kept.values())})
        except StatementFailed:
            # Precautions all: a server that does not allow them is none that we could not work with.
            self._kept = {}

    async def ask_pid(self) -> int:
        """The pid of the server process that answers, which is ``backend_pid`` from now on.

        A pooler tells another one at connecting. Raises ConnectionLost, StatementFailed.
        """
        answer = await self.query("SELECT pg_catalog.pg_backend_pid()")
        self.backend_pid = int(answer.rows[0][0] or 0)
        return self.backend_pid

    async def _set_where_allowed(self, name: str, value: str) -> None:
        """Tried once: a refusal is an ERROR in the server's log, and must not be there at every script."""
        if name in self._refused:
            return
        try:
            await self.execute(f"SET {name} = '{value}'")
        except StatementFailed:
            self._refused.add(name)

    @property
    def lost(self) -> bool:
        """The connection is closed or broken."""
        return self._connection.closed or self._connection.broken

    def on_notice(self, listener: Callable[[str, str], None]) -> None:
        """Calls ``listener(severity, message)`` at every notice of the server from now on."""
        self._connection.add_notice_handler(
            lambda d: listener(d.severity_nonlocalized or d.severity or "", safe(d.message_primary or "", lines=True))
        )

    async def server(self) -> Server:
        """Who is at the other end."""
        info = self._connection.info
        try:
            answer = await self.query("SELECT system_identifier FROM pg_control_system()")
            identifier = int(answer.rows[0][0] or 0) or None
        except StatementFailed:
            identifier = None
        oid = await self.query("SELECT oid FROM pg_database WHERE datname = current_database()")
        return server_of(info, identifier, int(oid.rows[0][0] or 0))

    async def execute(self, text: str | bytes, parameters: Mapping[str, object] | None = None) -> Result:
        """Runs one statement; raises StatementFailed or ConnectionLost."""
        cursor = await self._run(text, parameters)
        return Result(cursor.statusmessage or "", _count(cursor.statusmessage))

    async def query(self, text: str | bytes, parameters: Mapping[str, object] | None = None) -> Table:
        """Runs one statement and reads its rows as text; raises StatementFailed or ConnectionLost."""
        return _table((await self._run(text, parameters)).pgresult)

    async def ask(self, text: str | bytes, parameters: Mapping[str, object] | None = None) -> Table:
        """As `query`, for what we ask the catalogs: nobody's function or operator stands before the server's own.

        Within a transaction the search_path is that of the script, and stays so.
        """
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            return await self.query(text, parameters)
        # One message is one transaction, and what is set for that alone is gone after it.
        message = b"SELECT pg_catalog.set_config('search_path', 'pg_catalog', true); "
        message += text.encode() if isinstance(text, str) else text
        try:
            cursor = await psycopg.AsyncClientCursor(self._connection).execute(message, parameters)
        except psycopg.Error as error:
            raise self._failure(error, message) from None
        cursor.nextset()
        return _table(cursor.pgresult)

    async def copy_in(self, text: str, data: str) -> Result:
        """Runs a COPY … FROM stdin with its data; raises StatementFailed or ConnectionLost."""
        try:
            cursor = self._connection.cursor()
            async with cursor.copy(text.encode()) as copy:
                await copy.write(data)
        except psycopg.Error as error:
            raise self._failure(error, text) from None
        return Result(cursor.statusmessage or "", _count(cursor.statusmessage))

    async def cancel(self) -> None:
        """Asks the server to cancel what runs here; the statement then fails with SQLSTATE 57014."""
        try:
            await self._connection.cancel_safe(timeout=5)
        except psycopg.Error:
            # Nobody there to ask: the statement's own failure will tell.
            return

    def hang_up(self) -> None:
        """Breaks the connection under a statement that is under way, which then ends at once by ConnectionLost."""
        hang_up(self._connection)

    async def close(self) -> None:
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(
        self, text: str | bytes, parameters: Mapping[str, object] | None
    ) -> psycopg.AsyncCursor[tuple[object, ...]]:
        try:
            cursor = self._connection.cursor()
            return await cursor.execute(text.encode() if isinstance(text, str) else text, parameters)
        except psycopg.Error as error:
            raise self._failure(error, text) from None

    def _hear(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        # Why the server ends an idle session comes as a notice where our next statement meets the closed connection.
        if diagnostic.severity_nonlocalized in ("FATAL", "PANIC"):
            self._last_word = safe(diagnostic.message_primary or "")

    def _failure(self, error: psycopg.Error, text: str | bytes) -> Exception:
        if self.lost:
            return ConnectionLost(self._last_word or safe(str(error).strip()))
        return StatementFailed(_pg_error(error, text))


def _table(result: PGresult | None) -> Table:
    if result is None or result.status != ExecStatus.TUPLES_OK:
        return Table((), ())
    columns = tuple(safe((result.fname(c) or b"").decode(errors="replace")) for c in range(result.nfields))
    rows = tuple(
        tuple(
            None if (value := result.get_value(r, c)) is None else value.decode(errors="replace")
            for c in range(result.nfields)
        )
        for r in range(result.ntuples)
    )
    return Table(columns, rows)


def _pg_error(error: psycopg.Error, text: str | bytes) -> PgError:
    diag = error.diag
    position = diag.statement_position
    text = text if isinstance(text, str) else text.decode()
    line = text[: int(position) - 1].count("\n") + 1 if position else None
    return PgError(
        sqlstate=error.sqlstate or "",
        message=safe(diag.message_primary or str(error), lines=True),
        detail=safe(diag.message_detail or "", lines=True),
        hint=safe(diag.message_hint or "", lines=True),
        context=safe(diag.context or "", lines=True),
        line=line,
    )


def _why(text: str) -> str:
    """What libpq says of each host, without where: ``Connection refused``, ``the database system is starting up``."""
    lines = text.strip().splitlines()
    reasons = [line.rpartition(" failed: ")[2].removeprefix("FATAL:").strip() for line in lines if " failed: " in line]
    return safe("; ".join(dict.fromkeys(reasons)) or lines[0])


def _count(status: str | None) -> int | None:
    """``UPDATE 12`` counts 12 rows, ``INSERT 0 3`` three; ``ALTER TABLE`` counts none."""
    last = (status or "").rpartition(" ")[2]
    return int(last) if last.isdigit() else None
