"""PostgreSQL's frontend/backend protocol 3, as far as one must read it to stand between a client and a server.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_SSL_REQUEST, _GSSENC_REQUEST, _CANCEL_REQUEST = 80877103, 80877104, 80877102
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Startup:
    """The first packet of a connection: a cancel request, or a session's parameters."""

    packet: bytes
    cancel: bool
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """A message with its type byte and body; ``packet`` is how it goes over the wire."""

    kind: bytes
    body: bytes

    @property
    def packet(self) -> bytes:
        return self.kind + struct.pack("!I", len(self.body) + 4) + self.body

    @property
    def sql(self) -> str | None:
        """The statement of a Query or a Parse, None for all else."""
        if self.kind == b"Q":
            return self.body.rstrip(b"\0").decode(errors="replace")
        if self.kind == b"P":
            return self.body.split(b"\0")[1].decode(errors="replace")
        return None


def query(text: str) -> bytes:
    """A simple Query."""
    return Message(b"Q", text.encode() + b"\0").packet


async def read_startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Startup:
    """The first packet that is no request for encryption: those are answered with no."""
    while True:
        (length,) = struct.unpack("!I", size := await reader.readexactly(4))
        rest = await reader.readexactly(length - 4)
        (code,) = struct.unpack("!I", rest[:4])
        if code in (_SSL_REQUEST, _GSSENC_REQUEST):
            writer.write(b"N")
            continue
        words = [word.decode(errors="replace") for word in rest[4:].split(b"\0")] if code != _CANCEL_REQUEST else []
        pairs = dict(zip(words[::2], words[1::2], strict=False))
        return Startup(size + rest, code == _CANCEL_REQUEST, {k: v for k, v in pairs.items() if k})


async def read_message(reader: asyncio.StreamReader) -> Message:
    """Raises IncompleteReadError (an EOFError) at the end of the connection."""
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!I", head[1:])
    return Message(head[:1], await reader.readexactly(length - 4))


def startup_packet(parameters: dict[str, str]) -> bytes:
    """A session's first packet."""
    words = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items())
    body = struct.pack("!I", 3 << 16) + words + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def cancel_packet(key: bytes) -> bytes:
    """A cancel request for the session with this BackendKeyData."""
    body = struct.pack("!I", _CANCEL_REQUEST) + key
    return struct.pack("!I", len(body) + 4) + body


async def connect(dsn: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare connection to the server of this DSN."""
    where = conninfo_to_dict(dsn)
    host, port = str(where["host"]), int(str(where.get("port") or 5432))
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)


def abort(writer: asyncio.StreamWriter) -> None:
    """Closes without a word: over TCP the other side gets a reset, and what was not sent yet is gone."""
    raw = writer.get_extra_info("socket")
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Gateway:
    """Listens on a port of this machine in a thread of its own; ``serve`` has each connection until it returns.

    Leaving the block closes all that is open.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(self).__name__, daemon=True)
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def dsn(self, upstream: str = "") -> str:
        """The same database by way of us."""
        return make_conninfo(upstream or self._upstream, host="127.0.0.1", port=self.port)

    def start(self) -> None:
        self._thread.start()
        self.port = self.run(self._listen())

    def stop(self) -> None:
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        """Does this on our loop, called from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(15)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    async def drop(self) -> None:
        """Resets every connection."""
        serving = [task for task in self._serving if task is not asyncio.current_task()]
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self.serve(reader, writer)
            writer.close()
        except (OSError, EOFError):
            writer.close()
        except asyncio.CancelledError:
            # It was our own order, and a task of asyncio's server that ends cancelled would be told as a fault.
            abort(writer)
        finally:
            self._serving.discard(task)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self.drop()


async def first_to_end(*works: Awaitable[None]) -> None:
    """Until one of them ends; the others are cancelled. Raises nothing of what a lost connection raises."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, OSError | EOFError):
                raise outcome
