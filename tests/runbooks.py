"""Small runbooks made for one test, and a run of one with everything that it told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import psycopg

from tui.engine import events as e
from tui.engine.run import Run
from tui.engine.state import RunState
from tui.engine.unattended import run_to
from tui.postgres.session import Dsn
from tui.runbook.load import load
from tui.runbook.model import Runbook

SAFETY = """\
[safety]
lock_timeout = "200ms"
lock_retries = 3
statement_timeout = "20s"
"""

E = TypeVar("E", bound=e.Event)


def write(
    root: Path,
    steps: Mapping[str, str | bytes],
    back: Mapping[str, str] | None = None,
    *,
    keys: Mapping[str, str] | None = None,
    more: str = "",
    head: str = "",
    safety: str = SAFETY,
    files: Mapping[str, str] | None = None,
) -> Path:
    """A runbook with these scripts by step id; ``keys`` are more lines of a step's table, ``more`` further tables."""
    toml = ['name = "small"', 'window = "10min"', head, safety]
    for name, script in steps.items():
        toml += ["[[step]]", f'id = "{name}"', f'title = "Step {name}"', f'sql = "steps/{name}.sql"']
        _write(root / "steps" / f"{name}.sql", script)
        if back and name in back:
            toml.append(f'rollback = "rollback/{name}.sql"')
            _write(root / "rollback" / f"{name}.sql", back[name])
        toml.append((keys or {}).get(name, ""))
    for name, content in (files or {}).items():
        _write(root / name, content)
    _write(root / "runbook.toml", "\n".join([*toml, more]))
    return root


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def read(root: Path) -> Runbook:
    """The runbook in that directory; an AssertionError tells every finding if it is not sound."""
    loaded = load(root)
    assert loaded.runbook is not None, "\n".join(map(str, loaded.findings))
    return loaded.runbook


class Live:
    """An open run and all that it has told since."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.events: list[e.Event] = []
        self._changed = asyncio.Event()
        run.subscribe(self._hear)

    def _hear(self, event: e.Event, state: RunState) -> None:
        self.events.append(event)
        self._changed.set()

    @property
    def state(self) -> RunState:
        return self.run.state

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def last(self, kind: type[E]) -> E:
        """The newest event of this kind; fails if there is none."""
        found = self.all(kind)
        assert found, f"no {kind.__name__} among {[type(event).__name__ for event in self.events]}"
        return found[-1]

    async def until(self, kind: type[E], which: Callable[[E], bool] = lambda _: True) -> E:
        """The first event of this kind, from the beginning on, that is wanted; waits 15 s at most for it."""
        async with asyncio.timeout(15):
            while True:
                self._changed.clear()
                for event in self.all(kind):
                    if which(event):
                        return event
                await self._changed.wait()

    async def to_end(self, last: str | None = None) -> int:
        """Goes on as an unattended run does; gives its exit code."""
        return await run_to(self.run, last)


@asynccontextmanager
async def opened(
    book: Path | Runbook, dsn: str, *, operator: str = "dba1", production: bool = False
) -> AsyncIterator[Live]:
    """The run of this runbook, open as long as the block lasts."""
    runbook = read(book) if isinstance(book, Path) else book
    live = Live(Run(runbook, Dsn(dsn), operator_name=operator, production=production))
    await live.run.open()
    try:
        yield live
    finally:
        await live.run.close("done", 0)


@asynccontextmanager
async def session(
    dsn: str, *, name: str = "application", autocommit: bool = True
) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
    """A session of the application's."""
    connection = await psycopg.AsyncConnection.connect(dsn, autocommit=autocommit, application_name=name)
    try:
        yield connection
    finally:
        await connection.close()


async def until_true(dsn: str, query: str, seconds: float = 10.0) -> None:
    """Asks the server again and again until the query's one value is true: for what tells no event."""
    async with session(dsn, name="observer") as observer, asyncio.timeout(seconds):
        while True:
            cursor = await observer.execute(query.encode())
            row = await cursor.fetchone()
            if row is not None and row[0] is True:
                return
            await asyncio.sleep(0.02)


def one(dsn: str, query: str) -> object:
    """The one value of a query."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return list(connection.execute(query.encode()).fetchall())


def execute(dsn: str, *statements: str) -> None:
    """Runs each statement by itself."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
