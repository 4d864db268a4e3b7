"""What a step will lock, and for how long: as it was measured in rehearsal, else by static rules. Pure."""

from collections.abc import Iterable
from functools import lru_cache

from tui.runbook.lock_rules import Rule, foresee
from tui.runbook.model import Runbook, Step
from tui.runbook.statements import Statement, command_tag

from .lock_words import strength
from .proof import ForeseenLock, Rehearsal, StepForecast, StepProof, TableSize
from .proof_events import ForecastMade
from .state import RunState, StepStatus

_HOLDS_UP_WRITERS = strength("ShareUpdateExclusiveLock")
"""A lock of this strength or more is worth a word: weaker ones stand in nobody's way but DDL's."""


def forecasts(
    runbook: Runbook, rehearsal: Rehearsal | None, stale: tuple[str, ...], here: Iterable[TableSize]
) -> tuple[StepForecast, ...]:
    """One for each step. ``here``: every relation of this database by its size."""
    sizes = {table.table: table for table in here}
    proofs = {proof.step: proof for proof in rehearsal.steps} if rehearsal is not None else {}
    there = {table.table: table for table in rehearsal.tables} if rehearsal is not None else {}
    return tuple(
        _rehearsed(proofs[step.id], step.id in stale, sizes, there)
        if step.id in proofs and proofs[step.id].statements
        else _by_rule(step, sizes)
        for step in runbook.steps
    )


def relevant(forecast: ForecastMade, here: Iterable[TableSize]) -> tuple[TableSize, ...]:
    """Those of these relations that the steps lock, rewrite or scan, and that the forecast does not know yet."""
    named = {name for one in forecast.steps for name in one.relations}
    known = {table.table for table in forecast.tables}
    return tuple(table for table in here if table.table in named - known)


def foreseen(state: RunState) -> tuple[ForeseenLock, ...]:
    """The locks of the step that comes next, while nothing of ours is under way.

    Those on indexes are left out: who uses an index holds its table as well, and that is what an operator knows.
    """
    to_come = next((s.plan.id for s in state.steps if s.status is not StepStatus.APPLIED), None)
    if state.forecast is None or state.next_act().kind not in ("open_window", "run_step"):
        return ()
    locks = next((one.locks for one in state.forecast.steps if one.step == to_come), ())
    return tuple(lock for lock in locks if lock.here is None or not lock.here.index)


def _rehearsed(proof: StepProof, stale: bool, here: dict[str, TableSize], there: dict[str, TableSize]) -> StepForecast:
    found: dict[str, ForeseenLock] = {}
    seconds: float | None = None
    for measure in proof.statements:
        for lock in measure.locks:
            _add(found, lock.relation, lock.mode, measure.index, here, there)
            if strength(lock.mode) > _HOLDS_UP_WRITERS and seconds is None:
                seconds = 0.0
        if seconds is not None:
            # Locks are held until the transaction ends.
            seconds += measure.seconds
    rewrites = tuple(dict.fromkeys(name for m in proof.statements for name in m.rewrites))
    scans = tuple(dict.fromkeys(name for m in proof.statements for name in m.scans))
    late = tuple(
        f"statement {m.index} ran outside a transaction: a lock of a moment may be missing"
        for m in proof.statements
        if m.watched
    )
    return StepForecast(proof.step, "rehearsed", _strongest_first(found), rewrites, scans, seconds, stale, late)


def _by_rule(step: Step, here: dict[str, TableSize]) -> StepForecast:
    found: dict[str, ForeseenLock] = {}
    rewrites: list[str] = []
    scans: list[str] = []
    caveats: list[str] = []
    for index, statement in enumerate(step.sql.statements, start=1):
        rule = _rule(statement)
        names = [_bare(lock.relation) for lock in rule.locks]
        for name, lock in zip(names, rule.locks, strict=True):
            # What the script makes itself nobody else can hold; a table that it renames has its old name here.
            if name in here:
                _add(found, name, lock.mode, index, here, {})
        first = [name for name in names[:1] if name in here]
        rewrites += first if rule.rewrites == "yes" else []
        scans += first if rule.scans == "yes" else []
        if rule.why or rule.source == "unknown":
            caveats.append(f"statement {index} ({command_tag(statement)}): {rule.why or 'no rule'}")
    return StepForecast(
        step.id,
        "rules",
        _strongest_first(found),
        tuple(dict.fromkeys(rewrites)),
        tuple(dict.fromkeys(scans)),
        None,
        False,
        tuple(caveats),
    )


@lru_cache(maxsize=4096)
def _rule(statement: Statement) -> Rule:
    """A large statement takes a while to read, and is asked about after each step."""
    return foresee(statement)


def _add(
    found: dict[str, ForeseenLock],
    relation: str,
    mode: str,
    index: int,
    here: dict[str, TableSize],
    there: dict[str, TableSize],
) -> None:
    known = found.get(relation)
    if known is None or strength(mode) > strength(known.mode):
        found[relation] = ForeseenLock(relation, mode, index, here.get(relation), there.get(relation))


def _strongest_first(found: dict[str, ForeseenLock]) -> tuple[ForeseenLock, ...]:
    return tuple(sorted(found.values(), key=lambda lock: (-strength(lock.mode), lock.statement, lock.relation)))


def _bare(relation: str) -> str:
    """As the monitor names it: public's relations stand without their schema."""
    return relation.removeprefix("public.")
