"""The way of every event: onto the disk, into the state, then to whoever listens."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from tui.postgres.rows import without_passwords

from . import events as e
from .journal import Journal, new_run_id, newest_run, path_of, read
from .state import RunState, fold


@dataclass(frozen=True, slots=True)
class SharedRun:
    """A run as the database knows it: what a colleague on another machine recorded of it."""

    run: str
    events: tuple[e.Event, ...]


@dataclass(frozen=True, slots=True)
class TakenUp:
    """``unanswered``: the COMMIT that an earlier console on this machine sent and heard no answer to."""

    run: str
    unanswered: e.CommitIntended | None
    known: tuple[e.Event, ...]


Listener = Callable[[e.Event, RunState], None]


class Recorder:
    """Holds the run's journal and its state. Nothing is kept on disk before ``take_up``.

    ``kept`` False: nothing ever is, as the database itself is thrown away.
    """

    def __init__(self, *, kept: bool = True) -> None:
        self.state = RunState()
        self._kept = kept
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

    async def take_up(self, runbook: str, target: e.Target, shared: SharedRun | None, *, stands: bool) -> TakenUp:
        """Opens the journal of the run that the database knows, else the newest on this machine, else a new one.

        What others recorded of it and this machine does not know is written into it. A run of which everything was
        taken back is over: the next one has its own ticks and its own window. ``stands``: by the ledger, something is
        applied. Raises JournalFailed.
        """
        path, known, missing = unfinished(runbook, target, shared, stands)
        if self._kept:
            self._journal = Journal(path)
            self._journal.open()
        self.state = fold(known)
        unanswered = self.state.unanswered_commit
        for event in missing:
            await self.record(event)
        run = path.name.removesuffix(f"-{runbook}.jsonl")
        return TakenUp(run, unanswered, tuple(known))

    async def ready(self) -> None:
        """Before an act begins: all that it will tell has room on the disk. Raises JournalFailed."""
        async with self._order:
            if self._journal is not None:
                await self._journal.ready()

    async def record(self, event: e.Event) -> None:
        """Raises JournalFailed, and then nobody has heard of the event."""
        # An error's context quotes statements, and their passwords, as well as we do.
        event = each_text(event, without_passwords)
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


def unfinished(
    runbook: str, target: e.Target, shared: SharedRun | None, stands: bool
) -> tuple[Path, list[e.Event], list[e.Event]]:
    """The journal to go on with, what is in it, and what others recorded besides. ``stands``: as in ``take_up``."""
    if shared is not None:
        path = path_of(shared.run, runbook)
        known = read(path) if path.exists() else []
        missing = [event for event in shared.events if event not in known]
        if stands or not _is_over(fold([*known, *missing])):
            return path, known, missing
    stored = newest_run(runbook, target)
    if stored is not None and (shared is None or stored.opened.run > shared.run):
        known = read(stored.path)
        if stands or not _is_over(fold(known)):
            return stored.path, known, []
    return path_of(new_run_id(e.now()), runbook), [], []


def _is_over(state: RunState) -> bool:
    """All of it was taken back, and compared with what was kept of the time before."""
    return state.rollback_ok is True and not state.uncompared


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """The same event with each of its texts changed, however deep it lies."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple):
        return tuple(each_text(one, change) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        was = {field.name: getattr(value, field.name) for field in fields(value)}
        changed = {name: new for name, old in was.items() if (new := each_text(old, change)) != old}
        return replace(value, **changed) if changed else value
    return value
