"""A run without a screen: what it asks on the terminal, what it tells, and what a signal does to it."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import click

from tui.engine.changes import words
from tui.engine.events import ScriptDone, to_json
from tui.engine.later import waits_in_words
from tui.engine.narrate import narrate
from tui.engine.proof import Loss
from tui.engine.rollback import RollbackPlan
from tui.engine.run import Run
from tui.engine.state import RunState, StepStatus
from tui.postgres.rows import safe


async def agreed(run: Run, act: str, yes: bool) -> None:
    """Asks unless ``--yes``; production wants its database's name typed, which ``--yes`` stands for."""
    assert run.state.opened is not None
    target = run.state.opened.target
    where = f"{target.database} on {target.host}:{target.port} (PostgreSQL {target.version})"
    if target.production:
        typed = target.database
        if not yes:
            question = f"PRODUCTION: {act} in {where}? Type the database's name"
            typed = await ask(f"{question}: ")
        if not await run.confirm_production(typed):
            raise click.UsageError("that is not the database's name; nothing was done")
    elif not yes and (await ask(f"{act} in {where}? [y/N]: ")).lower() not in ("y", "yes"):
        raise click.UsageError("nothing was done")


async def ask(question: str) -> str:
    """One line from stdin, read by the loop so that a signal need not wait for it; empty when there is none."""
    click.echo(safe(question), err=True, nl=False)
    if sys.stdin is None:
        return ""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(sys.stdin.fileno(), ready.set)
    except (OSError, NotImplementedError):
        # A file or /dev/null: it never keeps us waiting.
        return sys.stdin.readline().strip()
    try:
        await ready.wait()
        return sys.stdin.readline().strip()
    finally:
        loop.remove_reader(sys.stdin.fileno())


def way_in_words(plan: RollbackPlan, losses: tuple[Loss, ...] | None) -> Iterator[str]:
    """What going back would run, whether it was tried, and what it would drop, a line each."""
    for script in plan.scripts:
        yield f"  {script.id} {script.title}: undoes {', '.join(script.undoes)}"
    way = plan.rehearsed
    if way is None:
        yield "  untested: this way back was never rehearsed"
    else:
        old = "; a script of it changed since" if plan.stale else ""
        took = f" in {way.seconds:.1f} s" if way.seconds is not None else ""
        rows = ", without rows" if plan.without_rows else ""
        yield f"  rehearsed: {way.verdict}{rows}{took}{old}"
        yield from (f"    {difference.words}" for difference in way.differences)
        yield from ([f"    {way.error}"] if way.error else [])
    if losses is None:
        yield "  what would be lost is not known"
    for loss in losses or ():
        count = "uncounted" if loss.count is None else f"{loss.count:,}"
        since = f", {loss.since:,} of them since {loss.step} was applied" if loss.since else ""
        lost = "carried back by the script, as the runbook says" if loss.carried else "would be lost"
        yield f"  {lost}: {loss.name}: {count} {loss.what}{since}"


async def carried_out(
    run: Run, as_json: bool, act: Callable[[Run], Awaitable[int]], code_of: Callable[[Exception], int]
) -> int:
    """Opens the run, acts, closes it; a signal cancels what is in flight and gives 128 + its number.

    ``code_of`` gives the exit code of an error, for the record; the error itself is raised again.
    """
    loop = asyncio.get_running_loop()
    caught: list[int] = []

    async def whole() -> int:
        await run.open()
        return await act(run)

    task = asyncio.ensure_future(whole())

    def stop(number: int) -> None:
        caught.append(number)
        loop.create_task(_stop(run, task))  # noqa: RUF006

    run.subscribe(_narrator(as_json, lambda: stop(signal.SIGPIPE)))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    code = 1
    try:
        code = await task
    except asyncio.CancelledError:
        code = 128 + caught[0] if caught else 1
    except Exception as error:
        code = code_of(error)
        # What fails because it was to stop is no news.
        if not caught:
            raise
    finally:
        if caught:
            code = 128 + caught[0]
        await run.close("signal" if caught else "done", code)
    return code


async def _stop(run: Run, task: asyncio.Future[int]) -> None:
    """A script is cancelled in the server and its end awaited, as is a COMMIT's answer; all else is left at once."""
    script = run.state.script
    await run.cancel()
    if script is None or not script.active:
        task.cancel()
        return

    def leave(event: object, _: object) -> None:
        # It was too late for this script; no other one begins.
        if isinstance(event, ScriptDone):
            task.cancel()

    run.subscribe(leave)


def _narrator(as_json: bool, unheard: Callable[[], None]) -> Callable[[Any, RunState], None]:
    """Tells each event on stdout and stderr; ``unheard`` is called once when nobody reads them any more."""

    def tell(event: Any, state: RunState) -> None:
        try:
            if as_json:
                sys.stdout.buffer.write(to_json(event) + b"\n")
                sys.stdout.flush()
            line = narrate(event, state)
            if line is not None:
                # Names of the catalog and words of others are in it: none may drive the terminal.
                click.echo(safe(line, lines=True), err=True)
        except BrokenPipeError:
            nobody_reads()
            unheard()

    return tell


def nobody_reads() -> None:
    """What is still to be told goes nowhere, as a pipe's other end is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def print_status(state: RunState, name: str) -> None:
    """Where each step stands, a line each, on stdout; ``name`` is the runbook's, as it was given."""
    signs = {
        StepStatus.APPLIED: "✓",
        StepStatus.FAILED: "✗",
        StepStatus.IN_DOUBT: "?",
        StepStatus.ROLLED_BACK: "↺",
    }
    for step in state.steps:
        when = f"  {step.at:%Y-%m-%d %H:%M:%S} UTC by {step.operator}" if step.at and step.operator else ""
        word = step.status.value.replace("_", " ")
        if step.status is StepStatus.PENDING and step.plan.not_before is not None:
            word += f", {waits_in_words(state.steps, step)}"
        click.echo(f"{signs.get(step.status, '○')} {step.plan.id} {step.plan.title}: {word}{when}")
        if step.message:
            click.echo(safe(f"    {step.message}"))
        for sql in step.repair:
            click.echo(safe(f"    repair: {sql}"))
        if step.status is StepStatus.IN_DOUBT:
            click.echo(f"    look at the database, then: lockstep settle {name} {step.plan.id} applied --reason …")
            click.echo(f"    or: lockstep settle {name} {step.plan.id} not-applied --reason …")
    if state.watched is not None and state.watched.holder is not None:
        holder = state.watched.holder
        click.echo(f"  {holder.operator} has it in hand: session {holder.pid} of {holder.user} from {holder.client}")
    if state.under_way is not None:
        click.echo(f"? session {state.under_way} runs a script of this runbook now")
    for change in state.changes:
        click.echo(safe(f"! {words(change)}"))
