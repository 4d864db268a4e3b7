"""Where the cursor is put when something has come about. Pure."""

from tui.engine.gates import ENDS, LATE
from tui.engine.state import NextAct, RunState, StepStatus, VerificationStatus
from tui.widgets.outline import Key


def gate(state: RunState, act: NextAct) -> Key | None:
    """The line that keeps the next act shut; a file that changed leads to its step."""
    items = {i.plan.id for i in state.items}
    verifications = {v.plan.id for v in state.verifications}
    steps = {change.id: change.step for change in state.changes if change.step}
    for wanted in act.gate_ids:
        if wanted in items:
            return Key("item", wanted)
        if wanted in verifications:
            return Key("verification", wanted)
        if wanted in steps:
            return Key("step", steps[wanted])
        if wanted.startswith((LATE, ENDS)):
            return Key("step", wanted.partition(":")[2])
    return None


def next_line(state: RunState) -> tuple[Key, bool] | None:
    """What comes next, and whether it is to be looked at before the whole of the run."""
    red = next((v.plan.id for v in state.due if v.status is VerificationStatus.FAILED), None)
    if red is not None:
        return Key("verification", red), True
    if state.watched is not None:
        running = next((s for s in state.steps if s.status is StepStatus.RUNNING), None)
        step = running or next((s for s in state.steps if s.status is not StepStatus.APPLIED), None)
        return (Key("step", step.plan.id), False) if step is not None else None
    act = state.next_act()
    shut = gate(state, act)
    if act.step is not None:
        # What a file's change means is told over the pane, wherever the cursor is.
        return (shut, True) if shut is not None and shut.kind != "step" else (Key("step", act.step), False)
    phase = "before" if state.window_opened_at is None else ""
    if act.kind == "finished" and not state.rolled_back:
        phase = "after"
    items = [i for i in state.items if i.plan.phase == phase]
    item = next((i for i in items if i.open), None) or next((i for i in items if not i.done), None)
    item = item or next(iter(items), None)
    return (Key("item", item.plan.id), False) if item is not None else None
