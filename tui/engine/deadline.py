"""Until when going back still fits into the window, by how long it took in rehearsal. Pure; seconds."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from .later import ended_by
from .proof import Measure, StepProof, TableSize, WayBack
from .state import RunState

_MARGIN = 0.5
_LEAST_MARGIN = 30.0
"""What is kept besides the time that going back should take: half of it, and half a minute at least."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last moment to go back from where ``after`` is the last step applied.

    ``at`` is None where nobody can know, and ``unknown`` says why. ``back``: how long it took in rehearsal; ``scale``:
    how much larger the tables are here, 1 at least; ``margin`` is kept besides.
    """

    after: str
    at: datetime | None = None
    back: float = 0.0
    scale: float = 1.0
    margin: float = 0.0
    stale: bool = False
    unknown: str = ""

    @property
    def needs(self) -> float:
        return self.back * self.scale + self.margin


def deadline(state: RunState, after: str | None = None) -> Deadline | None:
    """From here, or once ``after`` is applied. None where nothing can be taken back or no window is open."""
    ends = state.window_ends_at
    last = after or _last(state)
    if ends is None or last is None or ended_by(state) is not None:
        return None
    if state.proof is None:
        return Deadline(last, unknown="never rehearsed")
    way = rehearsed_way(state, last, None)
    if way is None or way.verdict == "missing":
        return Deadline(last, unknown="no way back was rehearsed")
    if way.seconds is None or way.verdict == "failed":
        return Deadline(last, unknown="its way back failed in rehearsal")
    factor = scale(state, last)
    if factor is None:
        name = _unmeasured(state, last)
        why = f"{name} has no statistics here: ANALYZE it" if name is not None else "rehearsed without rows"
        return Deadline(last, unknown=why)
    margin = max(_LEAST_MARGIN, way.seconds * factor * _MARGIN)
    at = ends - timedelta(seconds=way.seconds * factor + margin)
    return Deadline(last, at, way.seconds, factor, margin, last in state.proof.stale)


def crossing(state: RunState, step: str, now: datetime) -> str:
    """Why this step should not begin any more: it would end after the moment to go back. Empty where it may."""
    proof = proof_of(state, step)
    if proof is None or proof.forward_seconds is None:
        return ""
    limit, closes = deadline(state, step), state.window_ends_at
    if limit is None or state.step(step).plan.point_of_no_return or closes is None:
        return ""
    ends = now + timedelta(seconds=proof.forward_seconds * (scale(state, step) or 1.0))
    if limit.at is None:
        late = f"{step} would end at {_clock(ends)}, after the window, which ends at {_clock(closes)}"
        return f"{late}; by when going back must begin nobody knows: {limit.unknown}" if ends > closes else ""
    if ends <= limit.at:
        return ""
    return (
        f"{step} would end at {_clock(ends)}; to be back when the window ends, going back must begin by "
        f"{_clock(limit.at)}"
    )


def rehearsed_way(state: RunState, after: str, to: str | None) -> WayBack | None:
    """The rehearsed way back between these two, if it was tried."""
    if state.proof is None:
        return None
    return next((w for w in state.proof.rehearsal.ways_back if w.after == after and w.to == to), None)


def proof_of(state: RunState, step: str) -> StepProof | None:
    """What the newest rehearsal found of this step."""
    if state.proof is None:
        return None
    return next((p for p in state.proof.rehearsal.steps if p.step == step), None)


def scale(state: RunState, after: str) -> float | None:
    """How many times larger than in rehearsal a table is here that the steps up to this one work on: 1 at least.

    Of the table that grew most; those that are only locked cost no time. None where it is not known: there were no rows
    in rehearsal, and here there are, or nobody has counted them here.
    """
    return _scale(state, _tables(state, _worked_up_to(state, after)))


def scale_of(state: RunState, measure: Measure) -> float | None:
    """The same of the tables that one statement works on."""
    return _scale(state, _tables(state, _worked_on(measure)))


def _scale(state: RunState, tables: list[tuple[TableSize, TableSize]]) -> float | None:
    if state.proof is None or any(here.rows is None for here, _ in tables):
        return None
    ratios = [1.0]
    for here, there in tables:
        if not here.rows:
            continue
        if state.proof.rehearsal.place == "like" or not there.rows:
            return None
        ratios.append(here.bytes / max(1, there.bytes))
    return max(ratios)


def _unmeasured(state: RunState, after: str) -> str | None:
    """A table of which rehearsal knew the size and this server, without statistics, does not."""
    tables = _tables(state, _worked_up_to(state, after))
    return next((here.table for here, _ in tables if here.rows is None), None)


def _worked_up_to(state: RunState, after: str) -> set[str]:
    """What the steps up to this one work on."""
    worked: set[str] = set()
    for proof in state.proof.rehearsal.steps if state.proof is not None else ():
        worked |= {name for measure in proof.statements for name in _worked_on(measure)}
        if proof.step == after:
            break
    return worked


def _tables(state: RunState, worked: set[str]) -> list[tuple[TableSize, TableSize]]:
    """These, as they are here and as they were in rehearsal."""
    if state.proof is None or state.forecast is None:
        return []
    there = {table.table: table for table in state.proof.rehearsal.tables if table.rows is not None}
    here = {table.table: table for table in state.forecast.tables}
    # Of a table that was renamed only the name counts that it has had in both places.
    return [(here[name], there[name]) for name in sorted(worked & here.keys() & there.keys())]


def _worked_on(measure: Measure) -> set[str]:
    written = {lock.relation for lock in measure.locks if lock.mode == "RowExclusiveLock"}
    return {*measure.rewrites, *measure.scans, *written}


def _last(state: RunState) -> str | None:
    """The last step of which the database holds something, or will as soon as the one in flight is committed."""
    script = state.script
    order = [s.plan.id for s in state.steps]
    there = set(state.present)
    if script is not None and script.active and script.started.direction == "forward":
        there |= set(script.started.steps)
    return next((step for step in reversed(order) if step in there), None)


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%H:%M:%S}"
