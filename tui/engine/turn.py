"""One act at a time: whoever comes while another is under way is refused, or waits, as it asks for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Busy(Exception):
    """A script, probe or verification is under way; the act must wait for it."""


class Turn:
    """Who has the turn may use the runner's connection."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0

    @property
    def taken(self) -> bool:
        return self._lock.locked()

    @asynccontextmanager
    async def now(self) -> AsyncIterator[None]:
        """The turn, at once or not at all: a key pressed twice must not queue a second act. Raises Busy."""
        if self._lock.locked() or self._waiting:
            raise Busy("something is under way; wait for it or cancel it")
        async with self._lock:
            yield

    @asynccontextmanager
    async def next(self) -> AsyncIterator[None]:
        """The turn, once whoever has it is done."""
        await self.keep()
        try:
            yield
        finally:
            self._lock.release()

    async def keep(self) -> None:
        """Takes the turn, once whoever has it is done, and for good: nothing begins any more."""
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
