"""Which of its faces the right pane shows: what runs, how it ended, or what is selected."""

from .detail import detail_lines
from .line import Line
from .outline import Key
from .step import step_lines
from .summary import done_lines, doubt_lines, failure_lines, reopened_lines, rolled_back_lines
from .view import View


def panel_lines(view: View, selected: Key | None, chosen: bool, width: int, height: int) -> list[Line]:
    """``chosen``: the operator moved the cursor since the last turn of events, and wants to see what it is on."""
    state = view.state
    if state.opened is None:
        return [Line(), Line(" connecting …", "dim")]
    if state.busy:
        return step_lines(view, width, height)
    if chosen:
        return detail_lines(view, selected, width)
    if any(s.status == "in_doubt" for s in state.steps):
        return doubt_lines(view, width)
    if state.script is not None and state.script.phase == "failed" and view.before is None:
        return failure_lines(view, state.script, width)
    if state.rollback is not None and state.rollback_ok is not None:
        return rolled_back_lines(view, width)
    if view.before is not None and view.before.window_opened_at is not None:
        return reopened_lines(view, width)
    if state.next_act().kind == "finished":
        return done_lines(view, width)
    return detail_lines(view, selected, width)
