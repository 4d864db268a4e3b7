"""What a colleague on another machine must know of a run and the ledger's rows do not tell: kept beside them."""

import asyncio
from collections import deque
from collections.abc import Iterable

from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import ConnectionLost, PgSession, StatementFailed

from . import events as e
from . import ledger
from .connections import Connections
from .journal import is_of, path_of
from .recorder import SharedRun, each_text

_SHARED = (
    e.RunOpened,
    e.WindowOpened,
    e.ItemTicked,
    e.ItemProbed,
    e.GateOverridden,
    e.BaselineTaken,
    e.VerificationFinished,
    e.RollbackPlanned,
    e.RollbackFinished,
    e.ProofRead,
    e.ForecastMade,
    e.FingerprintTaken,
    e.FingerprintCompared,
    e.MadeCounted,
)
# Somebody who only looks leaves nothing behind.
_LOOKS = (e.RunOpened, e.ItemProbed, e.ProofRead, e.ForecastMade)


async def read(session: PgSession, runbook: str, target: e.Target) -> SharedRun | None:
    """The newest run of this runbook that was begun on this very database. Raises StatementFailed, ConnectionLost."""
    if not await ledger.exists(session):
        return None
    table = await session.ask(load("ledger/told"), {"runbook": runbook})
    told = [(run or "", event) for run, line in table.rows if (event := _event(line or "")) is not None]
    newest = next((r for r, o in reversed(told) if isinstance(o, e.RunOpened) and is_of(o, runbook, target)), None)
    if newest is None or not _is_run(newest, runbook):
        return None
    return SharedRun(newest, tuple(event for run, event in told if run == newest))


def _event(line: str) -> e.Event | None:
    try:
        event: e.Event = each_text(e.from_json(line.encode()), lambda text: safe(text, lines=True))
    except ValueError:
        return None
    return event if isinstance(event, _SHARED) else None


def _is_run(run: str, runbook: str) -> bool:
    try:
        path_of(run, runbook)
    except ValueError:
        return False
    return True


class Shared:
    """Writes them through the operator's connection, in order, once there is a ledger to write them to."""

    def __init__(self, connections: Connections, run: str, runbook: str, before: Iterable[e.Event]) -> None:
        self._connections = connections
        self._run = run
        self._runbook = runbook
        self._waiting: deque[e.Event] = deque(event for event in before if isinstance(event, _SHARED))
        self._there = False
        self._order = asyncio.Lock()
        self._writing: set[asyncio.Task[None]] = set()

    def hear(self, event: e.Event) -> None:
        """Called at each event of the run."""
        if not isinstance(event, _SHARED):
            return
        self._waiting.append(event)
        if self._there and not isinstance(event, _LOOKS):
            task = asyncio.ensure_future(self.flush())
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    def begin(self) -> None:
        """There is a ledger now."""
        self._there = True

    async def end(self) -> None:
        """Writes what is left, if there is more than looks."""
        if not all(isinstance(event, _LOOKS) for event in self._waiting):
            await self.flush()

    async def flush(self) -> None:
        """Writes what is waiting. What cannot be written now waits on: the journal has it, the steps do not need it."""
        async with self._order:
            while self._there and self._waiting:
                event = self._waiting[0]
                row = {"run": self._run, "runbook": self._runbook, "at": event.at, "event": e.to_json(event).decode()}
                try:
                    await self._connections.operator.execute(load("ledger/tell"), row)
                except (StatementFailed, ConnectionLost):
                    return
                self._waiting.popleft()
