"""What must be seen to before going on: a server that is away, leftovers, doubts, files that changed."""

import shlex

from tui.engine.changes import words as changed_words
from tui.engine.state import StepState, StepStatus
from tui.paths import shipped_runbooks

from .line import Line, wrap
from .sql import whole_sql
from .view import View
from .words import clock, running


def awaited_lines(view: View, width: int) -> list[Line]:
    """The clock of a lost connection; nothing while there is one."""
    awaited = view.state.awaited
    if awaited is None:
        return []
    since = running((view.now - awaited.at).total_seconds())
    said = f"since {clock(awaited.at, seconds=True)}"
    if view.state.watched is None:
        said += "; it is asked again and again, c gives it up"
    return [
        Line(" ").add(f" waiting for the server {since} ", "badge-bad"),
        *wrap(awaited.why, width - 1, "bad", indent=" ", limit=4),
        *wrap(said, width - 1, "dim", indent=" "),
        Line(),
    ]


def leftover_lines(step: StepState, width: int, indent: str = "   ") -> list[Line]:
    """What a statement outside a transaction left behind, and the SQL that takes it away, all of it."""
    if not step.repair:
        return []
    what = step.remains.what if step.remains is not None else ""
    lines = wrap(f"left behind: {what}", width - 1, "bad", indent=indent)
    lines.append(Line(f"{indent}the repair, before {step.plan.id} goes on (enter shows it and asks):", "strong"))
    for sql in step.repair:
        lines += whole_sql(f"{sql};", width - 1, indent=f"{indent}  ")
    return lines


def repairing_lines(view: View, width: int) -> list[Line]:
    """The repair that runs now."""
    repairing = view.state.repairing
    if repairing is None:
        return []
    since = running((view.now - repairing.at).total_seconds())
    return [
        Line(" ▶ ", "us")
        .add("repairs ", "us")
        .add(since, "strong")
        .add("   takes away what an earlier try left", "dim"),
        *whole_sql(repairing.sql, width - 1, indent="   "),
    ]


def settle_commands(view: View, step_id: str) -> tuple[str, str]:
    """The two shell commands with which a human says what became of a step."""
    name = "RUNBOOK"
    if view.runbook is not None:
        ships = view.runbook.path.parent == shipped_runbooks()
        name = shlex.quote(view.runbook.slug if ships else str(view.runbook.path))
    begin = f"lockstep settle {name} {shlex.quote(step_id)}"
    return f'{begin} applied --reason "…"', f'{begin} not-applied --reason "…"'


def doubt_lines(view: View, width: int, height: int) -> list[Line]:
    """Steps of which nobody knows whether they are committed, and a session that may still change that.

    Where ``height`` is small there is no room for blanks: the commands must be in sight.
    """
    state = view.state
    lines: list[Line] = []
    gap = [Line()] if height > 12 else []
    if state.under_way is not None:
        pid = state.under_way
        text = f"session {pid} of an earlier console still runs a script: enter asks again"
        first, *rest = wrap(text, width - 4, "bad")
        lines += [*gap, Line(" ? ", "bad").extend(first), *(Line("   ").extend(row) for row in rest)]
        text = "Nothing begins while it works. It ends by itself, or by"
        lines += [*wrap(text, width - 1, indent="   "), Line(f"     SELECT pg_terminate_backend({pid});", "strong")]
    for step in state.steps:
        if step.status is StepStatus.IN_DOUBT:
            lines += _doubt(view, step, width, gap)
    return lines


def _doubt(view: View, step: StepState, width: int, gap: list[Line]) -> list[Line]:
    step_id = step.plan.id
    lines = [*gap, Line(" ? ", "bad").add(f"{step_id} {step.plan.title} is in doubt", "bad").cut(width)]
    lines += wrap(step.message or "COMMIT was sent and its answer is not known", width - 1, indent="   ", limit=8)
    if view.state.awaited is not None:
        return [*lines, *wrap("the database is asked as soon as it is back", width - 1, "strong", indent="   ")]
    text = "enter asks the database again; what it cannot tell, look up with psql:"
    lines += [*gap, *wrap(text, width - 1, "strong", indent="   ")]
    intent = view.state.intents.get(step_id)
    if intent is not None and not intent.part and step.remains is None:
        lines.append(Line(f"     SELECT pg_xact_status('{intent.transaction_id}');"))
    lines += wrap(_look(view, step_id), width - 1, indent="     ")
    text = "then leave this console with q and say in a shell what you saw, with the same -d:"
    lines += [*gap, *wrap(text, width - 1, "strong", indent="   ")]
    for command in settle_commands(view, step_id):
        lines += _command(command, width)
    return lines


def _look(view: View, step_id: str) -> str:
    name = f"steps of {step_id}"
    if view.runbook is not None:
        name = next((s.sql.name for s in view.runbook.steps if s.id == step_id), name)
    stands = view.state.step(step_id)
    if stands.remains is not None and stands.completed is not None:
        # The word is about that statement alone; what comes after it runs as usual.
        return f"did statement {stands.completed + 1} of {name} take effect? `applied` says that it did"
    return f"is what {name} does in the database, all of it or nothing?"


def _command(command: str, width: int) -> list[Line]:
    """On a row of its own; one that is too long goes on as the shell lets it."""
    if Line(f" {command}").cells <= width:
        return [Line(" ").add(command, "strong")]
    rows = [""]
    for word in command.split(" "):
        longer = f"{rows[-1]} {word}".strip()
        if rows[-1] and Line(longer).cells > width - 3:
            rows.append(word)
        else:
            rows[-1] = longer
    return [Line(" ").add(row + (" \\" if row is not rows[-1] else ""), "strong") for row in rows]


def change_lines(view: View, width: int) -> list[Line]:
    """Files that changed after they were applied and that nobody has accepted yet."""
    changes = view.state.unaccepted_changes
    lines: list[Line] = []
    for change in changes[:3]:
        first, *rest = wrap(changed_words(change), width - 4, "warn")
        lines += [Line(" ! ", "warn").extend(first), *(Line("   ").extend(row) for row in rest)]
    if len(changes) > 3:
        lines.append(Line(f"   … and {len(changes) - 3} more files", "warn"))
    if changes:
        lines += [Line("   going on needs a reason, which is recorded", "dim"), Line()]
    return lines


def late_lines(view: View, width: int) -> list[Line]:
    """The step to come would end too late for going back, and nobody has said yet that it may."""
    late = view.state.late
    if late is None or view.state.next_act().step != late.step:
        return []
    first, *rest = wrap(late.words, width - 4, "warn")
    return [Line(" ! ", "warn").extend(first), *(Line("   ").extend(row) for row in rest)]


def accepted_lines(view: View, width: int, step: str | None = None) -> list[Line]:
    """Changes that were gone past, by whom and why; those of one step alone, if it is named."""
    lines: list[Line] = []
    for change in view.state.accepted:
        if step is not None and change.step not in (step, ""):
            continue
        override = next((o for o in reversed(view.state.overrides) if change.id in o.open), None)
        if override is not None:
            text = f"! {change.file} changed since it was applied; accepted by {override.operator} at "
            text += f"{clock(override.at, seconds=True)}: {override.reason}"
            lines += wrap(text, width - 1, "warn", indent="   ", limit=6)
    return lines
