"""What the server says while a statement runs: told at once, but not without end."""

import asyncio
from collections.abc import Awaitable, Callable

from . import events as e

_ONE_BY_ONE = 200
"""Notices of a statement that are told each, a write to the disk while locks are held; the rest are counted."""


class Notices:
    """Heard on the connection, told as events of the script that runs."""

    def __init__(self, emit: Callable[[e.Event], Awaitable[None]]) -> None:
        self._emit = emit
        self._heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._told = 0

    def hear(self, severity: str, message: str) -> None:
        # Only a rehearsal asks the server for these, for its meter.
        if not severity.startswith("DEBUG"):
            self._heard.put_nowait((severity, message))

    def forget(self) -> None:
        """What was heard until now belongs to nobody: of a probe, a verification or a ROLLBACK."""
        while not self._heard.empty():
            self._heard.get_nowait()

    async def tell(self, script: str) -> None:
        """Tells them as they come, until it is cancelled or has told enough of this statement."""
        self._told = 0
        while self._told < _ONE_BY_ONE:
            severity, message = await self._heard.get()
            self._told += 1
            # A cancelled emit must not lose the notice between queue and disk.
            await asyncio.shield(self._emit(e.NoticeRaised(e.now(), script, severity, message)))

    async def tell_rest(self, script: str) -> None:
        """Tells what is left of the statement that ended, the most of it as a number."""
        more = 0
        while not self._heard.empty():
            severity, message = self._heard.get_nowait()
            if self._told < _ONE_BY_ONE:
                self._told += 1
                await self._emit(e.NoticeRaised(e.now(), script, severity, message))
            else:
                more += 1
        if more:
            await self._emit(e.NoticeRaised(e.now(), script, "NOTICE", f"… and {more} more of this statement"))
