"""What keeps the next act shut until somebody opens it, with a reason that is recorded. Pure."""

from dataclasses import replace
from typing import TYPE_CHECKING

from .changes import words as changed_words
from .standing import ItemState, NextAct, VerificationState

if TYPE_CHECKING:
    from .state import RunState

KEPT = "fingerprint"
"""The gate of a first step before which the database could not be kept as it is."""
LATE = "late:"
"""The gate before a step that would end too late to go back; its id follows."""
ENDS = "ends:"
"""The gate before a step that ends the way back; its id follows."""


def gated(
    state: "RunState", act: NextAct, items: list[ItemState] | None = None, failed: list[VerificationState] | None = None
) -> NextAct:
    """The act with all that keeps it closed: these lines and verifications, and what the act itself asks first."""
    # A probe that was not asked yet says nothing: going on asks it first, and then it counts.
    closed = [i.plan for i in items or () if i.open and not (i.plan.by == "probe" and i.probe is None)]
    gates = [(p.title, p.id) for p in closed]
    gates += [(f"failed: {v.plan.title}", v.plan.id) for v in failed or ()]
    if act.kind in ("open_window", "run_step", "repair"):
        gates += [(changed_words(change), change.id) for change in state.unaccepted_changes]
    if act.kind == "run_step":
        if state.late is not None and state.late.step == act.step:
            gates.append((state.late.words, f"{LATE}{act.step}"))
        if why := _unkept(state):
            gates.append((why, KEPT))
        if why := _one_way(state, act):
            gates.append((why, f"{ENDS}{act.step}"))
    words = tuple(word for word, _ in gates)
    if state.paused and act.kind in ("run_step", "repair"):
        words = ("the run is paused", *words)
    return replace(act, gates=words, gate_ids=tuple(wanted for _, wanted in gates))


def _unkept(state: "RunState") -> str:
    """Why the first step should not begin: after it nobody could tell any more how it was. Empty where it may."""
    if state.before is None or not state.before.error or state.present:
        return ""
    if any(KEPT in override.open for override in state.overrides):
        return ""
    return f"how the database is now could not be kept, to compare with after a way back: {state.before.error}"


def _one_way(state: "RunState", act: NextAct) -> str:
    """Why this step should not simply begin: nothing leads back from it. Empty where somebody said that it may."""
    if act.step is None or not state.step(act.step).plan.point_of_no_return or state.opened is None:
        return ""
    # What was agreed to in an earlier session was agreed to for that night.
    if any(f"{ENDS}{act.step}" in o.open and o.at >= state.opened.at for o in state.overrides):
        return ""
    return f"after {act.step} there is no way back: it and all before it stay"
