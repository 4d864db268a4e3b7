"""The commands, and the one place where errors become exit codes. stdout is data, stderr is narration."""

import json
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tui import __version__

if TYPE_CHECKING:
    from tui.engine.run import Run
    from tui.runbook.model import Runbook

T = TypeVar("T")

USAGE, NO_CONNECTION, GATE, IN_DOUBT = 2, 3, 4, 5

_dsn = click.option("-d", "--dsn", default="", help="The database, as psql takes it; without it PG* variables count.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
_yes = click.option("--yes", is_flag=True, help="Do not ask before acting.")
_operator = click.option("--operator", help="Your name in the record; your login without it.")
_production = click.option("--production", is_flag=True, help="Treat the target as production.")
_redact = click.option("--redact", is_flag=True, help="Show other sessions' queries without their literals.")
_runbook = click.argument("runbook")


def run(arguments: list[str]) -> int:
    """Runs the command line and gives its exit code; no traceback for anything that a user can cause."""
    try:
        code = cli.main(arguments, prog_name="lockstep", standalone_mode=False)
    except click.exceptions.Abort:
        return _tell("interrupted", 128 + signal.SIGINT)
    except click.ClickException as error:
        error.show()
        return USAGE
    except Exception as error:
        told = _known(error)
        if told is None:
            raise
        return _tell(*told)
    return code if isinstance(code, int) else 0


def _known(error: Exception) -> tuple[str, int] | None:
    """The words and the exit code of an error that is not ours to be surprised by."""
    from tui.engine import failures
    from tui.engine.connections import OtherOperator, WrongTarget
    from tui.engine.filter import FilterRefused
    from tui.engine.fixture import FixtureFailed
    from tui.engine.journal import JournalFailed
    from tui.engine.places import PlaceFailed
    from tui.engine.rollback import RollbackImpossible
    from tui.engine.turn import Busy
    from tui.engine.work import GateClosed
    from tui.postgres.embedded import EmbeddedError
    from tui.postgres.session import CannotConnect, ConnectionLost, StatementFailed
    from tui.postgres.traffic import TrafficError
    from tui.runbook.findings import RunbookRefused

    if isinstance(error, RunbookRefused):
        return "\n".join(str(finding) for finding in error.findings), USAGE
    if isinstance(error, GateClosed):
        closed = "\n".join(f"  ○ {gate}" for gate in error.act.gates)
        return f"a gate is closed:\n{closed}", GATE
    if isinstance(error, StatementFailed):
        return f"{error}\n  {failures.sentence(error.error)}", 1
    if isinstance(error, CannotConnect | ConnectionLost):
        return "\n  ".join(filter(None, (str(error), failures.of_connection(str(error))))), NO_CONNECTION
    codes: list[tuple[tuple[type[Exception], ...], int]] = [
        ((WrongTarget,), NO_CONNECTION),
        ((OtherOperator, Busy), GATE),
        ((RollbackImpossible, FixtureFailed, EmbeddedError, TrafficError, PlaceFailed, FilterRefused), USAGE),
        ((JournalFailed,), 1),
    ]
    return next(((str(error), code) for types, code in codes if isinstance(error, types)), None)


def _tell(message: str, code: int) -> int:
    from tui.postgres.rows import safe

    click.echo(f"lockstep: {safe(message, lines=True)}", err=True)
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lockstep")
def cli() -> None:
    """The console for the downtime window of a PostgreSQL migration."""


@cli.command()
@click.argument("name", required=False, default="iso-agents-to-users")
@click.option("--list", "as_list", is_flag=True, help="Name the runbooks that ship.")
@click.option("--no-console", is_flag=True, help="Print the DSN and keep server and traffic up until Ctrl-C.")
@click.option("--scale", default=1.0, type=click.FloatRange(0.001, 100), help="Size of the data; 1 is the usual.")
@click.option("--keep", is_flag=True, help="Leave the server's directory behind.")
@_operator
def demo(name: str, as_list: bool, no_console: bool, scale: float, keep: bool, operator: str | None) -> int:
    """An embedded server, a database to migrate, live traffic, and the console on it."""
    from tui import demo as it

    if as_list:
        for shipped in it.shipped():
            click.echo(shipped)
        return 0
    runbook = _load(name)
    return it.run(runbook, console=not no_console, scale=scale, keep=keep, operator=operator)


@cli.command("open")
@_runbook
@_dsn
@_operator
@_production
@_redact
@click.option("--read-only", is_flag=True, help="Only look: nothing is written, nobody is signalled, no lock is taken.")
def open_(runbook: str, dsn: str, operator: str | None, production: bool, redact: bool, read_only: bool) -> int:
    """Open the console on a runbook and a database."""
    from tui.app import LockstepApp
    from tui.engine.run import Run
    from tui.postgres.session import Dsn

    loaded = _load(runbook)
    run = Run(loaded, Dsn(dsn), operator_name=operator, production=production, redacted=redact, read_only=read_only)
    app = LockstepApp(run)
    app.run()
    if app.failure is not None:
        raise app.failure
    return app.return_code or 0


@cli.command()
@_dsn
@click.option("--filter", "words", default="", metavar="WORDS", help="As / takes it: db:app role:web -state:idle text")
@click.option("--act", is_flag=True, help="Sessions may be ended, each after a question; without it nothing can be.")
@_redact
def watch(dsn: str, words: str, act: bool, redact: bool) -> int:
    """Who waits for whom, what runs, and every session of a server: live, without a runbook, read only."""
    from tui import watch as it

    return it.run(dsn, words, act=act, redact=redact)


@cli.command()
@_runbook
@_dsn
@_json
def check(runbook: str, dsn: str, as_json: bool) -> int:
    """Tell everything that is wrong with a runbook; with a DSN, whether it fits that database."""
    from tui.runbook.findings import RunbookRefused
    from tui.runbook.load import find_runbook, load

    try:
        loaded = load(find_runbook(runbook))
    except RunbookRefused:
        if as_json:
            click.echo(json.dumps({"kind": "check", "ok": False, "steps": []}))
        raise
    findings = [
        {
            "kind": "finding",
            "severity": f.severity,
            "file": f.file,
            "line": f.line,
            "item": f.item,
            "what": f.what,
            "mend": f.mend,
        }
        for f in loaded.findings
    ]
    for finding, told in zip(loaded.findings, findings, strict=True):
        click.echo(json.dumps(told) if as_json else str(finding))
    if loaded.runbook is None:
        if as_json:
            click.echo(json.dumps({"kind": "check", "ok": False, "steps": []}))
        return USAGE
    misfits = _finished(_misfits(loaded.runbook, dsn)) if dsn else []
    for misfit in misfits:
        click.echo(json.dumps({"kind": "misfit", "what": misfit}) if as_json else misfit)
    if as_json:
        steps = [{"id": s.id, "state": "pending", "untested": loaded.runbook.untested(s)} for s in loaded.runbook.steps]
        click.echo(json.dumps({"kind": "check", "ok": not misfits, "steps": steps}))
    elif not findings and not misfits:
        click.echo(f"{loaded.runbook.name}: sound, {len(loaded.runbook.steps)} steps", err=True)
    return NO_CONNECTION if misfits else 0


async def _misfits(runbook: "Runbook", dsn: str) -> list[str]:
    from tui.engine import changes, ledger
    from tui.engine.fit import misfits
    from tui.postgres.session import Dsn, PgSession

    async with await PgSession.open(Dsn(dsn), application_name="lockstep check") as session:
        found = await misfits(session, await session.server(), runbook)
        if found:
            return found
        rows = await ledger.read(session, runbook.slug)
        return found + [changes.words(change) for change in changes.changes(runbook, rows)]


@cli.command()
@_runbook
@_dsn
@click.option("--clone", is_flag=True, help="On a copy of the database of -d, made on its own server.")
@click.option("--like", metavar="DSN", help="On the schema of this database, in an embedded server.")
@click.option("--fixture", is_flag=True, help="On the runbook's own fixture, in an embedded server: the usual.")
@click.option("--server", type=int, metavar="MAJOR", help="The embedded server's PostgreSQL; without it the newest.")
@click.option("--scale", default=1.0, type=click.FloatRange(0.001, 100), help="Size of the fixture's data.")
@_production
@_json
def rehearse(
    runbook: str,
    dsn: str,
    clone: bool,
    like: str | None,
    fixture: bool,
    server: int | None,
    scale: float,
    production: bool,
    as_json: bool,
) -> int:
    """Try every step and every way back on a throwaway database, and compare what is there with what was."""
    from tui import rehearse as it
    from tui.engine import places
    from tui.postgres.session import Dsn

    if sum((clone, like is not None, fixture)) > 1:
        raise click.UsageError("--clone, --like and --fixture are three places to rehearse on: choose one")
    if dsn and not clone:
        raise click.UsageError("-d with --clone rehearses on a copy of that database, --like DSN on its schema alone")
    if clone and server is not None:
        raise click.UsageError("--clone copies the database on its own server: leave out --server")
    if (clone or like is not None) and scale != 1:
        raise click.UsageError("--scale is the size of the fixture's data: leave it out")
    loaded = _load(runbook)
    if clone:
        there = _finished(it.agreed(loaded, Dsn(dsn), production))
        return it.run(loaded, lambda told: places.on_clone(there, loaded, told=told), as_json=as_json)
    if like is not None:
        return it.run(loaded, lambda told: places.on_like(Dsn(like), loaded, major=server, told=told), as_json=as_json)
    return it.run(loaded, lambda told: places.on_fixture(loaded, scale=scale, major=server, told=told), as_json=as_json)


@cli.command("run")
@_runbook
@_dsn
@click.option("--tick", "ticks", multiple=True, metavar="ID", help="Tick this checklist item; may be repeated.")
@click.option("--tick-all", is_flag=True, help="Tick every human item that gates a step; run every command.")
@click.option("--to", metavar="STEP", help="Stop when this step is applied and verified.")
@click.option("--reason", metavar="TEXT", help="Go on past changed files, late, or past the way back; recorded.")
@_operator
@_production
@_yes
@_json
def run_(
    runbook: str,
    dsn: str,
    ticks: tuple[str, ...],
    tick_all: bool,
    to: str | None,
    reason: str | None,
    operator: str | None,
    production: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Run the steps without a screen: the same engine, the same gates."""
    loaded = _load(runbook)
    _known_ids(to, [s.id for s in loaded.steps], "step")
    for wanted in ticks:
        _known_ids(wanted, [i.id for i in loaded.checklist], "checklist item")

    async def act(run: "Run") -> int:
        from tui.engine import unattended
        from tui.engine.later import waiting, waits_in_words
        from tui.headless import agreed

        order = [s.plan.id for s in run.state.steps]
        stop = waiting(run.state)
        ahead = order if stop is None else order[: order.index(stop.plan.id)]
        pending = [step for step in ahead if step not in run.state.applied]
        repair = [sql for s in run.state.steps for sql in s.repair]
        first = f"repair by {'; '.join(repair)}, then " if repair else ""
        await agreed(run, f"{first}run {', '.join(pending)}" if pending else "verify again", yes)
        if reason is not None:
            await unattended.accept_changes(run, reason)
        await unattended.tick(run, ticks, tick_all)
        code = await unattended.run_to(run, to, reason=reason)
        if (step := waiting(run.state)) is not None:
            click.echo(f"{step.plan.id} waits: {waits_in_words(run.state.steps, step)}", err=True)
        return code

    return _unattended(loaded, dsn, operator, production, as_json, act)


@cli.command()
@_runbook
@_dsn
@_operator
@_json
def verify(runbook: str, dsn: str, operator: str | None, as_json: bool) -> int:
    """Run the verifications whose moment has come."""
    from tui.engine.state import NextAct
    from tui.engine.work import GateClosed

    async def act(run: "Run") -> int:
        if not run.state.due and not run.state.uncompared:
            raise GateClosed(NextAct("run_verifications", gates=("no step is applied, so there is nothing to verify",)))
        await run.verify()
        return run.state.exit_code

    return _unattended(_load(runbook), dsn, operator, False, as_json, act)


@cli.command()
@_runbook
@_dsn
@click.option("--to", metavar="STEP", help="The last step that stays; without it everything is taken back.")
@_operator
@_production
@_yes
@_json
def rollback(
    runbook: str, dsn: str, to: str | None, operator: str | None, production: bool, yes: bool, as_json: bool
) -> int:
    """Take back what is applied, then verify that it is back."""
    loaded = _load(runbook)

    async def act(run: "Run") -> int:
        from tui.headless import agreed, way_in_words
        from tui.postgres.rows import safe

        plan = run.plan_rollback(to)
        for line in way_in_words(plan, await run.losses(plan)):
            click.echo(safe(line), err=True)
        await agreed(run, f"roll back {', '.join(plan.undoes)}", yes)
        await run.roll_back(plan)
        return run.state.exit_code

    return _unattended(loaded, dsn, operator, production, as_json, act)


@cli.command()
@_runbook
@click.argument("step")
@click.argument("outcome", type=click.Choice(["applied", "not-applied"]))
@_dsn
@click.option("--reason", required=True, metavar="TEXT", help="What you saw in the database; kept in the ledger.")
@_operator
@_json
def settle(runbook: str, step: str, outcome: str, dsn: str, reason: str, operator: str | None, as_json: bool) -> int:
    """Say what became of a step in doubt, once you have looked at the database yourself."""
    loaded = _load(runbook)
    _known_ids(step, [s.id for s in loaded.steps], "step")

    async def act(run: "Run") -> int:
        try:
            await run.settle(step, applied=outcome == "applied", reason=reason)
        except ValueError as refused:
            raise click.UsageError(str(refused)) from None
        return run.state.exit_code

    return _unattended(loaded, dsn, operator, False, as_json, act)


@cli.command()
@_runbook
@_dsn
@_json
def status(runbook: str, dsn: str, as_json: bool) -> int:
    """Tell where each step stands in the database; changes nothing."""
    from tui.engine.state import StepStatus
    from tui.engine.status import as_object, look
    from tui.headless import print_status
    from tui.postgres.session import Dsn

    state = _finished(look(_load(runbook), Dsn(dsn)))
    if as_json:
        click.echo(json.dumps(as_object(state)))
    else:
        print_status(state, runbook)
    states = {step.status for step in state.steps}
    if state.exit_code == IN_DOUBT:
        return IN_DOUBT
    return 1 if StepStatus.FAILED in states else 0


def _finished(work: Coroutine[Any, Any, T]) -> T:
    """What this comes to. To import asyncio takes half of the time of a start that has nothing to wait for."""
    import asyncio

    return asyncio.run(work)


def _load(name: str) -> "Runbook":
    """The runbook, its warnings told on stderr. Raises RunbookRefused."""
    from tui.runbook.load import find_runbook, load_or_refuse

    runbook, warnings = load_or_refuse(find_runbook(name))
    for warning in warnings:
        click.echo(str(warning), err=True)
    return runbook


def _known_ids(wanted: str | None, known: list[str], what: str) -> None:
    if wanted is not None and wanted not in known:
        raise click.UsageError(f"there is no {what} {wanted}; there are {', '.join(known)}")


def _unattended(
    runbook: "Runbook",
    dsn: str,
    operator: str | None,
    production: bool,
    as_json: bool,
    act: "Callable[[Run], Awaitable[int]]",
) -> int:
    """Opens the run, acts, closes it; a signal cancels what is in flight and gives 128 + its number."""
    from tui import headless
    from tui.engine.run import Run
    from tui.postgres.session import Dsn

    run = Run(runbook, Dsn(dsn), operator_name=operator, production=production)
    return _finished(headless.carried_out(run, as_json, act, lambda error: (_known(error) or ("", 1))[1]))
