"""Which scripts take back what is applied, and in which order."""

from dataclasses import dataclass

from tui.runbook.model import AFTER_BACK, Runbook, Safety, Script

from .deadline import rehearsed_way, scale
from .later import since_no_return
from .proof import WayBack
from .state import RunState, StepStatus

_NOTHING = Script("repair", "", ())


class RollbackImpossible(Exception):
    """There is no way back from here; the text says why and what there is."""


@dataclass(frozen=True, slots=True)
class RollbackScript:
    """One script of the way back.

    ``repair`` are statements that go before it, and take away what a statement outside a transaction left behind.
    """

    id: str
    title: str
    undoes: tuple[str, ...]
    sql: Script
    transaction: bool
    repair: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """What ``R`` does: ``to`` is the last step that stays applied, None where all is taken back.

    ``rehearsed`` is this very way as it was rehearsed, with these scripts from whole steps; ``stale``: a script of it
    has changed since; ``without_rows``: on a schema alone. ``seconds``: how long it should take here, by the size of
    the tables.
    """

    to: str | None
    scripts: tuple[RollbackScript, ...]
    in_flight: str | None
    verifications: tuple[str, ...]
    rehearsed: WayBack | None = None
    stale: bool = False
    without_rows: bool = False
    seconds: float | None = None

    @property
    def undoes(self) -> tuple[str, ...]:
        """All steps that it takes back, last first."""
        return tuple(step for script in self.scripts for step in script.undoes)


def plan(runbook: Runbook, state: RunState, to: str | None) -> RollbackPlan:
    """From the last applied step down to the one after ``to``; a shared rollback goes before steps' own.

    Raises RollbackImpossible when a step on the way has none, when nothing is applied or when a step is in doubt.
    """
    way = way_back(runbook, state, to)
    if not way.scripts and way.in_flight is None:
        raise RollbackImpossible("nothing is applied" if to is None else f"nothing is applied after {to}")
    return way


def way_back(runbook: Runbook, state: RunState, to: str | None) -> RollbackPlan:
    """As `plan`, but without scripts where nothing is left to take back: what was in flight was all."""
    order = [step.id for step in runbook.steps]
    if to is not None and to not in order:
        raise RollbackImpossible(f"there is no step {to}; the steps are {', '.join(order)}")
    doubtful = [s.plan.id for s in state.steps if s.status is StepStatus.IN_DOUBT]
    if doubtful:
        raise RollbackImpossible(f"{doubtful[0]} is in doubt: the database must say first whether it is committed")
    stays = set(order[: order.index(to) + 1]) if to is not None else set()
    undo = [step for step in order if step in state.present and step not in stays]
    in_flight = state.script.started.script if state.script is not None and state.script.active else None
    scripts: list[RollbackScript] = []
    while undo:
        script = _way_back(runbook, state, undo)
        scripts.append(script)
        undo = [step for step in undo if step not in script.undoes]
    remaining = [step for step in since_no_return(state.steps) if step in stays]
    judges = (
        tuple(v.id for v in runbook.verifications if v.after in remaining)
        if remaining
        else tuple(v.id for v in runbook.verifications_after(AFTER_BACK))
    )
    last = scripts[0].undoes[0] if scripts else None
    way = rehearsed_way(state, last, to) if last is not None else None
    if way is None or last is None or way.scripts != tuple(s.id for s in scripts) or any(s.half for s in state.steps):
        return RollbackPlan(to, tuple(scripts), in_flight, judges)
    factor = scale(state, last)
    seconds = way.seconds * factor if way.seconds is not None and factor is not None else None
    assert state.proof is not None
    without_rows = state.proof.rehearsal.place == "like"
    stale = last in state.proof.stale
    return RollbackPlan(to, tuple(scripts), in_flight, judges, way, stale, without_rows, seconds)


def _way_back(runbook: Runbook, state: RunState, undo: list[str]) -> RollbackScript:
    last = undo[-1]
    stands, step = state.step(last), runbook.step(last)
    if stands.repair and not stands.completed and stands.status is not StepStatus.APPLIED:
        # Nothing of it is in the database but what it left behind.
        title = f"Take away what {last} left behind"
        return RollbackScript(last, title, (last,), _NOTHING, False, stands.repair)
    shared = [r for r in runbook.rollbacks if last in r.undoes and set(r.undoes) <= set(undo)]
    if shared:
        best = max(shared, key=lambda r: len(r.undoes))
        undone = tuple(step for step in reversed(undo) if step in best.undoes)
        return RollbackScript(best.id, best.title, undone, best.sql, True, stands.repair)
    if step.point_of_no_return:
        raise RollbackImpossible(f"{last} was a point of no return: it and what was before it stay")
    if step.rollback is None:
        raise RollbackImpossible(f"{last} has no rollback of its own, and no shared one fits what is applied")
    title = f"Back from {step.title}"
    return RollbackScript(last, title, (last,), step.rollback, step.transaction, stands.repair)


def patience(runbook: Runbook, script: RollbackScript) -> Safety:
    """What a rollback may do to the application: as much as the most demanding of the steps that it undoes."""
    steps = [runbook.step(step).safety for step in script.undoes]
    return Safety(
        lock_timeout=max(s.lock_timeout for s in steps),
        lock_retries=max(s.lock_retries for s in steps),
        statement_timeout=max(s.statement_timeout for s in steps),
        max_blocked_sessions=max(s.max_blocked_sessions for s in steps),
        max_blocked_for=max(s.max_blocked_for for s in steps),
        max_replica_lag=max(s.max_replica_lag for s in steps),
    )
