"""The way of every event: onto the disk, into the state, then to whoever listens."""

import asyncio
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from tui.postgres.rows import without_passwords

from . import events as e
from .journal import Journal, new_run_id, newest_run, read, runs_directory
from .state import RunState, fold

Listener = Callable[[e.Event, RunState], None]


class Recorder:
    """Holds the run's journal and its state. Nothing is kept on disk before ``take_up``."""

    def __init__(self) -> None:
        self.state = RunState()
        self._listeners: list[Listener] = []
        self._journal: Journal | None = None
        self._order = asyncio.Lock()

    def subscribe(self, listener: Listener) -> None:
        """Calls ``listener(event, state)`` after each event is on the disk."""
        self._listeners.append(listener)

    @property
    def path(self) -> Path | None:
        """The journal's file, while it is open."""
        return self._journal.path if self._journal else None

    def take_up(self, runbook: str, target: e.Target) -> str:
        """Opens the newest journal of this runbook and database, or a new one; gives the run's id.

        A run of which everything was taken back is over: the next one has its own ticks and its own window.
        Raises JournalFailed.
        """
        stored = newest_run(runbook, target)
        if stored is not None:
            state = fold(read(stored.path))
            if not state.rolled_back:
                self.state = state
                self._journal = Journal(stored.path)
                self._journal.open()
                return stored.opened.run
        run = new_run_id(e.now())
        self._journal = Journal(runs_directory() / f"{run}-{runbook}.jsonl")
        self._journal.open()
        return run

    async def ready(self) -> None:
        """Before an act begins: all that it will tell has room on the disk. Raises JournalFailed."""
        async with self._order:
            if self._journal is not None:
                await self._journal.ready()

    async def record(self, event: e.Event) -> None:
        """Raises JournalFailed, and then nobody has heard of the event."""
        event = _clean(event)
        async with self._order:
            if self._journal is not None:
                await self._journal.append(event)
            self.tell(event)

    def tell(self, event: e.Event) -> None:
        """Into the state and to the listeners, without the disk: for what must be known when the disk fails."""
        self.state = self.state.apply(event)
        for listener in self._listeners:
            try:
                listener(event, self.state)
            except Exception as fault:
                # Whoever only listens must not keep a step from its end.
                told = {"message": "a listener failed", "exception": fault}
                asyncio.get_running_loop().call_exception_handler(told)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None


def _clean(value: Any) -> Any:
    """The same without a password in any of its texts: an error's context quotes statements as well as we do."""
    if isinstance(value, str):
        return without_passwords(value)
    if isinstance(value, tuple):
        return tuple(map(_clean, value))
    if is_dataclass(value) and not isinstance(value, type):
        was = {field.name: getattr(value, field.name) for field in fields(value)}
        changed = {name: new for name, old in was.items() if (new := _clean(old)) != old}
        return replace(value, **changed) if changed else value
    return value
