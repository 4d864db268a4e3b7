"""``lockstep rehearse``: tries a runbook on a throwaway database, tells how it goes, and keeps what came of it."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click
from rich.cells import cell_len, set_cell_size

from tui.engine import events as e
from tui.engine import proofs
from tui.engine.lock_words import mode_in_words
from tui.engine.place import NAME
from tui.engine.places import GUARDED, PlaceFailed, fit_to_copy, size_in_words
from tui.engine.plan import target_of
from tui.engine.proof import Difference, Rehearsal
from tui.engine.rehearsal import Rehearsing
from tui.headless import ask, nobody_reads
from tui.postgres.clone import pinned
from tui.postgres.rows import safe
from tui.postgres.session import Dsn, PgSession

if TYPE_CHECKING:
    from tui.engine.places import Place
    from tui.engine.state import RunState
    from tui.runbook.model import Runbook

_NAMED = 4
"""Scripts of a way back that are told by name."""
_SIGNS = {"lost": "-", "changed": "~", "added": "+", "order": "~"}


def run(runbook: "Runbook", place: "Callable[[Callable[[str], None]], Place]", *, as_json: bool) -> int:
    """Rehearses and tells; 0 when all is proven. ``place`` is given where to tell what it does.

    Raises PlaceFailed, CannotConnect, ConnectionLost.
    """
    return asyncio.run(_run(runbook, place, as_json))


async def agreed(runbook: "Runbook", dsn: Dsn, production: bool) -> Dsn:
    """Tells what a copy takes; production wants its name typed before it is copied.

    Gives the very server that was looked at. Raises click.UsageError where nobody agrees, PlaceFailed where it cannot
    be copied, CannotConnect, ConnectionLost, StatementFailed.
    """
    dsn = await pinned(dsn, application_name=NAME)
    async with await PgSession.open(dsn, application_name=NAME, options=GUARDED) as session:
        target = target_of(runbook, await session.server(), asked=production)
        size = size_in_words((await fit_to_copy(session, runbook)).bytes)
    takes = (
        f"a copy of {target.database} on {target.host}:{target.port} needs twice {size} on that server's disk, and a "
        f"full disk stops it; every new connection to {target.database} waits while it is copied"
    )
    if not target.production:
        click.echo(safe(takes), err=True)
    elif await ask(f"PRODUCTION: {takes}. Type the database's name: ") != target.database:
        raise click.UsageError("that is not the database's name; nothing was done")
    return dsn


async def _run(runbook: "Runbook", place: "Callable[[Callable[[str], None]], Place]", as_json: bool) -> int:
    caught: list[int] = []
    work = asyncio.ensure_future(_rehearse(runbook, place, as_json, lambda: leave(signal.SIGPIPE)))

    def leave(number: int) -> None:
        # The throwaway database goes by its own context manager, however far it had come.
        caught.append(number)
        work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, leave, number)
    try:
        return await work
    except asyncio.CancelledError:
        return 128 + (caught[0] if caught else signal.SIGINT)


async def _rehearse(
    runbook: "Runbook",
    place: "Callable[[Callable[[str], None]], Place]",
    as_json: bool,
    unheard: Callable[[], None],
) -> int:
    with _progress() as tell:
        ground = place(lambda line: tell(line, None, None))

        def heard(event: e.Event, _: "RunState") -> None:
            try:
                if as_json:
                    sys.stdout.buffer.write(e.to_json(event) + b"\n")
                    sys.stdout.flush()
            except BrokenPipeError:
                nobody_reads()
                unheard()
            match event:
                case e.RehearsalMoved():
                    tell(event.what, event.done, event.total)
                case e.WayBackTried(way=way):
                    to = f"after {way.to}" if way.to else "the start"
                    tell(f"from after {way.after} back to {to}: {way.verdict}", None, None)

        found: Rehearsal | None = None
        try:
            async with ground:
                found = await Rehearsing(runbook, ground, heard).go()
        except PlaceFailed:
            # What it could not take back is an error; what it found is told all the same, and not kept.
            if found is not None:
                _report(runbook, found, ground.where, as_json)
            raise
    assert found is not None
    _report(runbook, found, ground.where, as_json)
    try:
        await asyncio.to_thread(proofs.keep, found)
    except OSError as error:
        click.echo(f"lockstep: the console will not know of it: {error.filename}: {error.strerror}", err=True)
        return 1
    return 0 if found.ok else 1


def _report(runbook: "Runbook", found: Rehearsal, where: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(as_object(found)))
        return
    for line in in_words(runbook, found, where):
        click.echo(safe(line))


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int | None, int | None], None]]:
    """On a terminal a bar with what it does now, above it what is known already; else a line for each of the latter."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    console = Console(stderr=True)
    columns = (BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("begins", total=None)

        def tell(text: str, done: int | None, total: int | None) -> None:
            if done is not None:
                bar.update(task, completed=done, total=total, description=safe(text))
            elif console.is_terminal:
                bar.console.print(Text(safe(text)))
            else:
                click.echo(safe(text), err=True)

        yield tell


def in_words(runbook: "Runbook", found: Rehearsal, where: str) -> Iterator[str]:
    """What came of it, for an operator to read."""
    yield f"{runbook.name}, rehearsed on {where}"
    ids = max(len(proof.step) for proof in found.steps)
    titles = max(cell_len(runbook.step(proof.step).title) for proof in found.steps)
    for proof in found.steps:
        forward = f"forward {proof.forward_seconds:.1f} s" if proof.forward_seconds is not None else proof.state
        back = f"back {proof.rollback_seconds:.1f} s" if proof.rollback_seconds is not None else ""
        verdict: str = proof.rollback if proof.state == "applied" else "not tried"
        if proof.state == "applied" and runbook.step(proof.step).point_of_no_return:
            verdict = "no way back, as it says itself"
        title = set_cell_size(runbook.step(proof.step).title, titles)
        yield f"  {proof.step:<{ids}}  {title}   {forward:<16}   {back:<12}   {verdict}"
        if proof.state == "failed":
            yield f"      ✗ {proof.error}"
        for red in proof.red:
            yield f"      ✗ {red}"
    yield "ways back"
    told: dict[tuple[Difference, ...] | str, str] = {}
    for way in found.ways_back:
        took = f"   {way.seconds:.1f} s" if way.seconds is not None and way.verdict != "missing" else ""
        name = f"after {way.after} → {f'after {way.to}' if way.to else 'the start'}"
        yield f"  {name}{_by(way.scripts)}{took}   {way.verdict}"
        if way.error and way.error in told:
            yield f"      ✗ the same as {told[way.error]}"
        elif way.error:
            told[way.error] = name
            yield f"      ✗ {way.error}"
        if way.differences in told:
            yield f"      the same as {told[way.differences]}"
        elif way.differences:
            told[way.differences] = name
            yield from _differences(way.differences)
        if way.again:
            yield "      forward again it did not end as the first time:"
            yield from _differences(way.again)
    for limit in found.limits:
        yield f"not compared: {limit}"
    if found.place == "like":
        yield "there were no rows: neither they nor what verifications found in them was judged"
    yield "all proven" if found.ok else "not proven"


def _by(scripts: tuple[str, ...]) -> str:
    if not scripts:
        return ""
    return f" by {', '.join(scripts)}" if len(scripts) <= _NAMED else f" by {len(scripts)} scripts"


def _differences(differences: tuple[Difference, ...]) -> Iterator[str]:
    for difference in differences:
        yield f"      {_SIGNS[difference.rank]} {difference.words}"


def as_object(found: Rehearsal) -> dict[str, Any]:
    """The one object that ``--json`` ends with."""
    whole: dict[str, Any] = json.loads(proofs.to_json(found))
    for told, proof in zip(whole["steps"], found.steps, strict=True):
        told["id"] = told.pop("step")
        locks = dict.fromkeys((lock.relation, lock.mode) for m in proof.statements for lock in m.locks)
        told["locks"] = [{"relation": relation, "mode": mode_in_words(mode)} for relation, mode in locks]
        for what in ("rewrites", "scans"):
            told[what] = sorted({name for m in proof.statements for name in getattr(m, what)})
    return whole
