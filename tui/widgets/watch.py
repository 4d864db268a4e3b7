"""The pane while somebody else has the run in hand: who, what their script does now, and how it can become ours."""

from tui.engine.facts import Holder
from tui.engine.state import StepStatus
from tui.postgres.rows import Session

from .line import Line, spread, wrap
from .progress import progress_lines
from .sql import sql_lines
from .view import STEP_SIGNS, View
from .words import clock, counted, number, running


def named(holder: Holder | None) -> str:
    """``dba1``; what there is to say where the name is not known."""
    return (holder.operator or f"session {holder.pid}") if holder is not None else "nobody"


def holder_words(holder: Holder) -> str:
    """``dba1 has this run in hand: session 4242 of postgres from 10.0.0.5, since 01:12:03``."""
    where = f"session {holder.pid} of {holder.user} from {holder.client or 'an unknown host'}"
    return f"{named(holder)} has this run in hand: {where}, since {clock(holder.since, seconds=True)}"


def gone_words(view: View) -> str:
    """``dba1 is gone: enter takes the run in hand``; who only looks is offered nothing."""
    watched, last = view.state.watched, view.holder
    if watched is not None and watched.read_only:
        return "nobody has this run in hand" + (f": {named(last)} is gone" if last is not None else "")
    who = f"{named(last)} is gone" if last is not None else "nobody has this run in hand any more"
    return f"{who}: enter takes the run in hand"


def watch_lines(view: View, width: int, height: int) -> list[Line]:
    """What is known from here: the holder's session, its script's, and the ledger."""
    watched = view.state.watched
    assert watched is not None
    gap = [Line()] if height > 10 else []
    lines = [*gap]
    if watched.holder is not None:
        lines += wrap(f"{holder_words(watched.holder)} — you watch", width - 1, "strong", indent=" ")
    else:
        lines += wrap(gone_words(view), width - 1, "strong" if watched.read_only else "warn", indent=" ")
    lines += [*gap, *_script(view, width), *gap]
    for step in view.state.steps:
        if step.status is StepStatus.RUNNING:
            lines.append(_under_way(view, step.plan.id, width))
    text = "The list shows the steps as the ledger has them, live; checklist, window and verifications "
    if watched.holder is not None:
        text += f"are in {named(watched.holder)}'s console"
    else:
        text += "are with whoever takes it in hand" if watched.read_only else "come with taking it in hand"
    return [*lines, Line(), *wrap(text, width - 1, "dim", indent=" ")]


def _script(view: View, width: int) -> list[Line]:
    watched = view.state.watched
    pid = watched.script_pid if watched is not None else None
    if pid is None:
        return [Line(" no script of this run is under way", "dim")]
    session = next((s for s in view.sample.sessions if s.pid == pid), None) if view.sample is not None else None
    if session is None:
        return [Line(f" session {pid} runs a script of it", "us")]
    if session.state == "idle":
        return [Line(f" session {pid} ran a script of it and is idle", "dim")]
    tree = view.sample.tree if view.sample is not None else None
    wants = tree.our_wants if tree is not None and tree.our_pid == pid and tree.waiting_for_lock else None
    status = Line("◷ waits for a lock ", "warn") if wants else Line("▶ running ", "us")
    return [
        spread(_doing(session), status, width),
        *sql_lines(session.query, width, most=6, indent="   "),
        *([Line("   waits for ", "warn").add(wants, "strong").cut(width)] if wants else []),
        *(progress_lines(view.sample, {pid}, width) if view.sample is not None else []),
    ]


def _doing(session: Session) -> Line:
    return Line(f" session {session.pid} runs a script of it").add(
        f"   {running(session.transaction_seconds)}", "strong"
    )


def _under_way(view: View, step_id: str, width: int) -> Line:
    step = view.state.step(step_id)
    sign, role = STEP_SIGNS[step.status]
    line = Line(" ").add(sign, role).add(f" {step_id} {step.plan.title}", "strong")
    row = next((r for r in view.state.ledger.steps if r.step == step_id), None) if view.state.ledger else None
    if row is not None and row.position is not None:
        line.add(f"   {counted(row.completed or 0, 'chunk')}, {number(row.position.rows)} rows are committed")
    elif step.completed:
        line.add(f"   {counted(step.completed, 'statement')} of {step.plan.statements} committed")
    return line.cut(width)
