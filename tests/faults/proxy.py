"""A proxy between console and server that stops the conversation at an exact moment, and can be cut or fall silent."""

import asyncio
import re
import struct
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from wire import Gateway, Message, abort, connect, first_to_end, read_message, read_startup

from tui.engine.connections import RUNNER

When = Literal["before", "passed", "after"]
_LONG = 15.0


class Hold:
    """One moment: a statement that matches ``at``, on a connection that has sent all of ``seen`` in this order before.

    ``before``: it is kept from the server until ``release``. ``passed``: the server has it, nothing is kept.
    ``after``: the server has answered in full, and the answer is kept from the client until ``release``.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, at: str, when: When, seen: tuple[str, ...]) -> None:
        self.when = when
        self.statement = ""
        self.backend_pid = 0
        self._loop = loop
        self._at = re.compile(at)
        self._seen = [re.compile(pattern) for pattern in seen]
        self._reached = threading.Event()
        self._go = asyncio.Event()
        self._progress: dict[int, int] = {}
        self._spent = self._lost = False

    def wait(self, seconds: float = _LONG) -> bool:
        """Until the moment has come; False if it does not come in time."""
        return self._reached.wait(seconds)

    @property
    def reached(self) -> bool:
        return self._reached.is_set()

    def release(self) -> None:
        """What is kept goes on its way."""
        self._loop.call_soon_threadsafe(self._go.set)

    def lose(self) -> None:
        """What is kept is lost, and its connection with it."""
        self._lost = True
        self.release()

    def is_now(self, link: "_Link", statement: str) -> bool:
        """Told of every statement of a connection; True once, at the moment."""
        if self._spent:
            return False
        done = self._progress.get(id(link), 0)
        if done < len(self._seen):
            if self._seen[done].search(statement):
                self._progress[id(link)] = done + 1
            return False
        self._spent = self._at.search(statement) is not None
        if self._spent:
            self.statement, self.backend_pid = statement, link.backend_pid
        return self._spent

    async def keep(self) -> None:
        self._reached.set()
        if self.when != "passed":
            await self._go.wait()
        if self._lost:
            raise ConnectionResetError("lost on the way")


@dataclass(eq=False)
class _Link:
    """A client's connection and ours to the server for it."""

    name: str
    server: asyncio.StreamWriter
    client: asyncio.StreamWriter
    backend_pid: int = 0
    answer: Hold | None = None
    kept: bytearray = field(default_factory=bytearray)


class Proxy(Gateway):
    """Holds count on the connection that calls itself ``lockstep runner``; cutting and silence hit all of them."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.cancels = threading.Semaphore(0)
        """Released at each cancel request that was passed on."""
        self._holds: list[Hold] = []
        self._flowing = asyncio.Event()
        self._flowing.set()

    def hold(self, at: str, when: When, *seen: str) -> Hold:
        """Arms a hold; ``at`` and ``seen`` are regular expressions for statements."""
        hold = Hold(self._loop, at, when, seen)
        self._holds.append(hold)
        return hold

    def cut(self) -> None:
        """Every connection is reset on both sides and what is kept is lost; a silence ends with it."""
        self.run(self._cut())

    def silence(self) -> None:
        """From now on nothing passes in either direction, on old connections and new ones, and none is closed."""
        self.run(self._silence())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _cut(self) -> None:
        await self.drop()
        self._flowing.set()

    async def _silence(self) -> None:
        self._flowing.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        startup = await read_startup(reader, writer)
        await self._flowing.wait()
        from_server, to_server = await connect(self._upstream)
        try:
            to_server.write(startup.packet)
            if startup.cancel:
                await from_server.read()
                self.cancels.release()
                return
            link = _Link(startup.parameters.get("application_name", ""), to_server, writer)
            await first_to_end(self._from_client(link, reader), self._from_server(link, from_server))
        finally:
            abort(to_server)

    async def _from_client(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while True:
            message = await read_message(reader)
            hold = self._hold_for(link, message)
            if hold is not None and hold.when == "before":
                await hold.keep()
            if hold is not None and hold.when == "after":
                link.answer = hold
            await self._flowing.wait()
            link.server.write(message.packet)
            await link.server.drain()
            if hold is not None and hold.when == "passed":
                await hold.keep()

    def _hold_for(self, link: _Link, message: Message) -> Hold | None:
        statement = message.sql
        if statement is None or link.name != RUNNER:
            return None
        return next((hold for hold in self._holds if hold.is_now(link, statement)), None)

    async def _from_server(self, link: _Link, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                message = await read_message(reader)
                if message.kind == b"K":
                    (link.backend_pid,) = struct.unpack("!I", message.body[:4])
                link.kept += message.packet
                if link.answer is not None:
                    if message.kind != b"Z":
                        continue
                    await link.answer.keep()
                    link.answer = None
                await self._pass_on(link)
        except EOFError:
            # The server's last words, a FATAL, come before its end.
            await self._pass_on(link)
            raise

    async def _pass_on(self, link: _Link) -> None:
        await self._flowing.wait()
        link.client.write(bytes(link.kept))
        link.kept.clear()
        await link.client.drain()
