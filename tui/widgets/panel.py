"""Which of its faces the right pane shows: what runs, how it ended, or what is selected."""

from .detail import detail_lines
from .forecast import in_the_way_lines
from .line import Line
from .mending import awaited_lines, change_lines, doubt_lines, late_lines
from .outline import Key
from .step import step_lines
from .summary import done_lines, failure_lines, reopened_lines, rolled_back_lines
from .view import View
from .watch import watch_lines


def panel_lines(view: View, selected: Key | None, width: int, height: int) -> list[Line]:
    """A server that is away stands over everything else."""
    if view.state.opened is None:
        return [Line(), Line(" connecting …", "dim")]
    away = [*awaited_lines(view, width), *_looking(view, width)]
    if view.script is not None or view.running_verification is not None or view.state.repairing is not None:
        return [*away, *step_lines(view, width, max(3, height - len(away)))]
    summary = [] if view.chosen else _summary(view, selected, width, height)
    shown = summary or detail_lines(view, selected, width)
    # Before the next step begins its operator must have read this, wherever the cursor is.
    warned = [*late_lines(view, width), *in_the_way_lines(view, width)]
    changes = [] if view.chosen or view.state.watched is not None else change_lines(view, width)
    return [*away, *warned, *([Line()] if warned and height > 10 else []), *changes, *shown]


def _looking(view: View, width: int) -> list[Line]:
    """A look at the whole database may take a while."""
    if view.state.looking is None:
        return []
    what = {
        "keeps": "keeps how the database is now, to compare with after a way back",
        "compares": "compares the database with what it was before the first step",
        "counts": "counts what is in the tables and columns that the step has made",
    }[view.state.looking.what]
    return [Line(" ▶ ", "us").add(what).cut(width), Line()]


def summed_up(view: View) -> bool:
    """There is something to say of the whole run, which a look at a single line hides."""
    return view.script is None and view.state.opened is not None and bool(_summary(view, None, 80, 20))


def _summary(view: View, selected: Key | None, width: int, height: int) -> list[Line]:
    state = view.state
    if state.watched is not None:
        return watch_lines(view, width, height)
    if state.next_act().kind == "resolve" or any(s.status == "in_doubt" for s in state.steps):
        return doubt_lines(view, width, height)
    if state.script is not None and state.script.phase == "failed" and view.before is None:
        return failure_lines(view, state.script, width)
    if state.rollback is not None and state.rollback_ok is not None:
        return rolled_back_lines(view, width)
    if view.before is not None and view.before.window_opened_at is not None:
        return reopened_lines(view, width)
    if state.next_act().kind == "finished":
        return done_lines(view, selected.id if selected is not None else None, width)
    return []
