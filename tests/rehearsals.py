"""A rehearsal on a database of the tests' own servers."""

from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from uuid import uuid4

from runbooks import execute, read

from tui.engine import events as e
from tui.engine.proof import Rehearsal, StepProof, WayBack
from tui.engine.rehearsal import Rehearsing
from tui.engine.state import RunState
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn
from tui.runbook.model import Runbook


class OnServer:
    """Each fresh copy is a new database with what these statements make. ``made`` counts the copies."""

    kind: Literal["fixture", "clone", "like"] = "fixture"

    def __init__(self, server: EmbeddedServer, *setup: str, has_data: bool = True) -> None:
        self.where = "a database of the tests"
        self.has_data = has_data
        self.made = 0
        self._server = server
        self._setup = setup
        self._names: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._names:
            self._server.drop_database(name)

    async def fresh(self) -> Dsn:
        name = f"rehearsed_{uuid4().hex[:8]}"
        dsn = self._server.create_database(name)
        self._names.append(name)
        self.made += 1
        execute(dsn, *self._setup)
        return Dsn(dsn)


async def rehearsed(book: Path | Runbook, place: OnServer) -> tuple[Rehearsal, list[e.Event]]:
    """What came of it, and all that it told."""
    told: list[e.Event] = []

    def heard(event: e.Event, _: RunState) -> None:
        told.append(event)

    async with place:
        runbook = read(book) if isinstance(book, Path) else book
        return await Rehearsing(runbook, place, heard).go(), told


def step(found: Rehearsal, wanted: str) -> StepProof:
    return next(one for one in found.steps if one.step == wanted)


def way(found: Rehearsal, after: str, to: str | None = None) -> WayBack:
    return next(one for one in found.ways_back if (one.after, one.to) == (after, to))


def words(of: WayBack | StepProof) -> list[str]:
    return [difference.words for difference in of.differences]
