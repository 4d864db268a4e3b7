"""``lockstep demo``: an embedded server, a fixture, live traffic, and the console on them; all gone afterwards."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.paths import shipped_runbooks

if TYPE_CHECKING:
    from tui.postgres.session import Dsn
    from tui.postgres.traffic import Traffic
    from tui.runbook.model import Runbook

_DATABASE = "app"
_LOOK_EVERY = 0.5
_TELL_EVERY = 2.0


def shipped() -> list[str]:
    """The runbooks that ship with a fixture."""
    return sorted(path.parent.name for path in shipped_runbooks().glob("*/fixture") if path.is_dir())


def run(runbook: "Runbook", *, console: bool, scale: float, keep: bool, operator: str | None) -> int:
    """Runs the demo to its end and gives its exit code. Raises EmbeddedError, FixtureFailed, TrafficError."""
    return asyncio.run(_run(runbook, console, scale, keep, operator))


async def _run(runbook: "Runbook", console: bool, scale: float, keep: bool, operator: str | None) -> int:
    caught: list[int] = []
    work = asyncio.ensure_future(_play(runbook, console, scale, keep, operator))

    def leave(number: int) -> None:
        # Whatever was started comes down by its own context manager, however far the start had come.
        caught.append(number)
        work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, leave, number)
    try:
        return await work
    except asyncio.CancelledError:
        # Without a console Ctrl-C is how a demo is meant to end.
        return 0 if not console and caught == [signal.SIGINT] else 128 + (caught[0] if caught else signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a demo plays on: the database's URI and the application's sessions."""

    dsn: str
    traffic: "Traffic"


@contextlib.asynccontextmanager
async def stage(runbook: "Runbook", scale: float, keep: bool = False) -> "AsyncIterator[Stage]":
    """A server with the fixture loaded and its traffic running; both are gone afterwards.

    Raises EmbeddedError, FixtureFailed, TrafficError.
    """
    from tui.engine import fixture
    from tui.postgres.embedded import EmbeddedServer
    from tui.postgres.session import Dsn

    click.echo("starting PostgreSQL …", err=True)
    async with EmbeddedServer(keep=keep) as server:
        if keep:
            click.echo(f"the server's directory stays: {server.directory}", err=True)
        if (extensions := fixture.extensions(runbook.path)) is not None:
            await asyncio.to_thread(server.offer, extensions)
        dsn = await asyncio.to_thread(server.create_database, _DATABASE)
        await _load_fixture(Dsn(dsn), runbook, scale)
        async with _traffic(runbook, dsn) as traffic:
            yield Stage(dsn, traffic)


async def _play(runbook: "Runbook", console: bool, scale: float, keep: bool, operator: str | None) -> int:
    from tui.postgres.session import Dsn

    async with stage(runbook, scale, keep) as on:
        if console:
            return await _console(runbook, Dsn(on.dsn), operator)
        click.echo(on.dsn)
        sys.stdout.flush()
        click.echo(f"beside it: lockstep open {runbook.slug} -d '{on.dsn}'   Ctrl-C ends both", err=True)
        await _tell_of(on.traffic)
        return 0


async def _console(runbook: "Runbook", dsn: "Dsn", operator: str | None) -> int:
    from tui.app import LockstepApp
    from tui.engine.run import Run

    app = LockstepApp(Run(runbook, dsn, operator_name=operator))
    await app.run_async()
    if app.failure is not None:
        raise app.failure
    return app.return_code or 0


async def _load_fixture(dsn: "Dsn", runbook: "Runbook", scale: float) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from tui.engine import fixture

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("fixture", total=None)

        def told(done: int, total: int, file: str) -> None:
            bar.update(task, completed=done, total=total, description=f"{runbook.slug}: {file}")

        await fixture.load(dsn, runbook.path, scale, told)


@contextlib.asynccontextmanager
async def _traffic(runbook: "Runbook", dsn: str) -> "AsyncIterator[Traffic]":
    """The application's sessions, which take up the new version once its checklist item is ticked."""
    from tui.postgres.session import Dsn
    from tui.postgres.traffic import Traffic

    traffic = Traffic()
    plan = await traffic.start(dsn, runbook.path / "fixture")
    follower = asyncio.ensure_future(_follow(traffic, runbook, Dsn(dsn), plan.deploy if plan else None))
    try:
        yield traffic
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        await traffic.stop()


async def _follow(traffic: "Traffic", runbook: "Runbook", dsn: "Dsn", deploy: str | None) -> None:
    """Reads this database's journal, so that a tick counts in the demo's own console and in one opened beside it."""
    from tui.engine.journal import newest_run
    from tui.engine.plan import target_of
    from tui.postgres.session import PgSession

    if deploy is None:
        return
    async with await PgSession.open(dsn, application_name="lockstep demo") as session:
        target = target_of(runbook, await session.server(), asked=False)
    deployed, seen = False, 0
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        stored = await asyncio.to_thread(newest_run, runbook.slug, target)
        if stored is None or (size := stored.path.stat().st_size) == seen:
            continue
        seen = size
        wanted = await asyncio.to_thread(_is_deployed, stored.path, deploy)
        if wanted != deployed:
            deployed = wanted
            await (traffic.deploy() if deployed else traffic.undeploy())


def _is_deployed(path: Path, item: str) -> bool:
    from tui.engine.journal import read
    from tui.engine.state import fold

    state = fold(read(path))
    return bool(state.applied) and any(i.plan.id == item and i.done for i in state.items)


async def _tell_of(traffic: "Traffic") -> None:
    """Until it is cancelled: tells on stderr how the application fares whenever that changes."""
    fares = ""
    while True:
        await asyncio.sleep(_TELL_EVERY)
        stats = traffic.stats
        now = "fails" if stats.failed > stats.ok else "works"
        if stats.sessions and now != fares:
            fares = now
            click.echo(f"the application {fares}: {stats.ok}/s done, {stats.failed}/s failed", err=True)
