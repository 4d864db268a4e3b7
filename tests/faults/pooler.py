"""A transaction-mode pooler, as PgBouncer is with ``pool_mode = transaction``: a server session for a transaction.

A client's session is a fiction: its BackendKeyData is made up, its startup's ``options`` are ignored, and what it
sets for the session stays with a server session that somebody else gets next. The last one given back is lent first.
"""

import asyncio
import secrets
import struct
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from wire import Gateway, Message, abort, cancel_packet, connect, query, read_message, read_startup, startup_packet

TRACKED = ("application_name", "client_encoding", "DateStyle", "TimeZone")
"""The parameters that follow a client from server session to server session, as PgBouncer's do."""
_OK = Message(b"R", struct.pack("!I", 0)).packet
_READY = Message(b"Z", b"I").packet

_User = tuple[str, str]


class _Refused(Exception):
    """The server said no; ``packet`` is how."""

    def __init__(self, packet: bytes) -> None:
        super().__init__(packet.decode(errors="replace"))
        self.packet = packet


@dataclass(eq=False)
class _Session:
    """A session of the server's. ``told``: its parameters as the server reported them."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    told: dict[str, str] = field(default_factory=dict)
    key: bytes = b""

    async def until_ready(self) -> None:
        while (message := await read_message(self.reader)).kind != b"Z":
            if message.kind == b"E":
                raise _Refused(message.packet)
            self.hear(message)

    def hear(self, message: Message) -> None:
        if message.kind == b"S":
            name, value = message.body.decode().split("\0")[:2]
            self.told[name] = value
        elif message.kind == b"K":
            self.key = message.body


@dataclass(eq=False)
class _Client:
    """A client, and the server session that it has for its transaction. ``unanswered``: what must end with a Z."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    user: _User
    wants: dict[str, str]
    lent: _Session | None = None
    relay: "asyncio.Task[None] | None" = None
    unanswered: int = 0


class Pooler(Gateway):
    """Server sessions by user and database; made when none is free, kept when given back."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self._free: dict[_User, list[_Session]] = defaultdict(list)
        self._clients: dict[bytes, _Client] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        startup = await read_startup(reader, writer)
        if startup.cancel:
            await self._cancel(startup.packet[8:])
            return
        user = (startup.parameters["user"], startup.parameters.get("database", startup.parameters["user"]))
        given = {name.lower(): value for name, value in startup.parameters.items()}
        wants = {name: given[name.lower()] for name in TRACKED if name.lower() in given}
        client = _Client(reader, writer, user, wants)
        try:
            first = await self._borrow(client)
        except _Refused as refused:
            writer.write(refused.packet)
            return
        self._free[user].append(first)
        key = secrets.token_bytes(8)
        self._clients[key] = client
        told = b"".join(Message(b"S", f"{n}\0{v}\0".encode()).packet for n, v in first.told.items())
        writer.write(_OK + told + Message(b"K", key).packet + _READY)
        try:
            await self._converse(client)
        finally:
            del self._clients[key]
            if client.relay is not None:
                client.relay.cancel()
            if client.lent is not None:
                # Its transaction was left open: nobody else may get it.
                abort(client.lent.writer)

    async def _converse(self, client: _Client) -> None:
        while (message := await read_message(client.reader)).kind != b"X":
            if client.lent is None:
                client.lent = await self._borrow(client)
                client.relay = asyncio.create_task(self._relay(client, client.lent))
            client.unanswered += message.kind in b"QSF"
            client.lent.writer.write(message.packet)
            await client.lent.writer.drain()

    async def _relay(self, client: _Client, session: _Session) -> None:
        """Passes answers on until the transaction is over, then gives the session back."""
        with suppress(OSError, EOFError):
            while True:
                message = await read_message(session.reader)
                session.hear(message)
                if message.kind == b"S":
                    client.wants |= {name: session.told[name] for name in TRACKED if name in session.told}
                over = False
                if message.kind == b"Z":
                    client.unanswered -= 1
                    over = message.body == b"I" and not client.unanswered
                if over:
                    client.lent = client.relay = None
                    self._free[client.user].append(session)
                client.writer.write(message.packet)
                if over:
                    return
        # The server's session is gone, and with it the client's.
        client.writer.close()

    async def _borrow(self, client: _Client) -> _Session:
        free = self._free[client.user]
        while free:
            session = free.pop()
            if not session.reader.at_eof():
                break
        else:
            session = _Session(*await connect(self._upstream))
            parameters = {"user": client.user[0], "database": client.user[1], **client.wants}
            session.writer.write(startup_packet(parameters))
            try:
                await session.until_ready()
            except BaseException:
                abort(session.writer)
                raise
        for name, value in client.wants.items():
            if session.told.get(name) != value:
                quoted = value.replace("'", "''")
                session.writer.write(query(f"SET {name} = '{quoted}'"))
                await session.until_ready()
        return session

    async def _cancel(self, key: bytes) -> None:
        client = self._clients.get(key)
        if client is None or client.lent is None:
            return
        reader, writer = await connect(self._upstream)
        writer.write(cancel_packet(client.lent.key))
        await reader.read()
        writer.close()

    async def _close(self) -> None:
        await super()._close()
        for sessions in self._free.values():
            for session in sessions:
                abort(session.writer)


@contextmanager
def pooler(dsn: str) -> Iterator[str]:
    """The DSN of the same database through a transaction-mode pooler, for as long as the block lasts."""
    through = Pooler(dsn)
    through.start()
    try:
        yield through.dsn()
    finally:
        through.stop()
