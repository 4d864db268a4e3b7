"""The script in hand: which try, which statement, how long, what it waits for, what the server says."""

from tui.engine.deadline import proof_of, rehearsed_way
from tui.engine.state import ScriptState

from .batch import batch_lines, chunk_in_hand
from .forecast import lock_lines
from .line import Line, Role, join, spread, wrap
from .mending import repairing_lines
from .progress import progress_lines, written_lines
from .sql import sql_lines
from .view import View
from .words import counted, duration, expected, number, running


def step_lines(view: View, width: int, height: int) -> list[Line]:
    """The pane while a script or a verification runs; ``height`` is what it may use without scrolling."""
    script = view.script
    repairing = repairing_lines(view, width)
    if script is None:
        return repairing or _verification_lines(view, width, height)
    narrow = height < 10
    lines = [_title(view, script, width), _figures(view, script, width)]
    if script.batch is not None:
        lines += batch_lines(view, script, width)
    tail = [*_waiting(view, script, width), *_progress(view, script, width)]
    if repairing:
        lines += [*([] if narrow else [Line()]), *repairing, *([Line()] if tail and not narrow else [])]
    elif script.statement is not None:
        room = max(2, height - len(lines) - len(tail) - (1 if narrow else 3))
        if not narrow:
            lines.append(Line())
        # On a small screen what is not foreseen must be in sight with the wait.
        sql = " ".join(script.statement.sql[:1000].split()) if narrow and len(tail) > 1 else script.statement.sql
        lines.extend(sql_lines(sql, width, most=room))
        if tail and not narrow:
            lines.append(Line())
    return [*lines, *tail, *_notices(script, width), *_statements(view, script, width)]


def _title(view: View, script: ScriptState, width: int) -> Line:
    started = script.started
    left = Line(f" {started.script}  ", "strong").add(started.title, "strong")
    if started.direction == "back":
        left.add(f"   undoes {', '.join(started.steps)}", "warn")
    right = Line(f"try {started.attempt} of {started.tries} ", "warn" if started.attempt > 1 else "dim")
    return spread(left, right if started.tries > 1 else Line(), width)


def _figures(view: View, script: ScriptState, width: int) -> Line:
    started = script.started
    left = Line(" ")
    if script.phase == "backoff":
        left.add("gives way", "warn")
    elif script.batch is not None:
        # Its commits are too many and too short to be told one by one.
        left.add(f"chunk {number(chunk_in_hand(view, script, script.batch))} ({counted(script.batch.size, 'row')})")
    elif script.phase == "committing":
        left.add("commits", "us")
    elif script.statement is not None:
        left.add(f"statement {script.statement.index} of {started.statements}")
    else:
        left.add(counted(started.statements, "statement"))
    pieces = [left, Line(running(view.elapsed), "strong")]
    span = _expected(view, script)
    if span:
        late = view.elapsed is not None and view.elapsed > span[1]
        pieces.append(Line(f"expected {expected(span)}", "warn" if late else "dim"))
    known = _rehearsed(view, script)
    if known is not None:
        pieces.append(Line(f"rehearsed {duration(known)}", "dim"))
    status = _status(view, script)
    figures = join(pieces)
    return spread(figures if figures.cells + status.cells + 2 <= width else join(pieces, "  "), status, width)


def _expected(view: View, script: ScriptState) -> tuple[float, float] | None:
    if script.started.direction == "back":
        return None
    steps = (s.plan.expected for s in view.state.steps if s.plan.id == script.started.script)
    return next(steps, None)


def _rehearsed(view: View, script: ScriptState) -> float | None:
    """How long this script took in rehearsal, in seconds; of a way back that is more than one script, nothing."""
    if script.started.direction == "forward":
        proof = proof_of(view.state, script.started.script)
        return proof.forward_seconds if proof is not None else None
    plan = view.state.rollback
    if plan is None or not plan.undoes or plan.scripts != (script.started.script,):
        return None
    way = rehearsed_way(view.state, plan.undoes[0], plan.to)
    return way.seconds if way is not None and way.scripts == plan.scripts else None


def _status(view: View, script: ScriptState) -> Line:
    if script.phase == "backoff":
        return Line(f"◷ tries again in {view.retry_in:.0f} s ", "warn")
    if view.lock_wait is not None:
        return Line(f"◷ waits {duration(view.lock_wait)} ", "warn")
    if view.throttled:
        return Line("◷ no chunk begins ", "warn")
    return Line("▶ running ", "us")


_REASONS = {
    "lock_timeout": "did not get its lock in time",
    "guard": "too many sessions waited behind us",
    "deadlock": "PostgreSQL ended a deadlock",
    "serialization": "the transaction could not be serialized",
}


def _waiting(view: View, script: ScriptState, width: int) -> list[Line]:
    given = script.given_back
    if script.phase == "backoff" and given is not None:
        text = f"try {given.attempt} gave its locks back: {_REASONS[given.reason]}"
        return [Line(f"   {text}", "warn"), *wrap(given.detail, width - 1, "dim", indent="   ", limit=2)]
    return lock_lines(view, script, width)


def _progress(view: View, script: ScriptState, width: int) -> list[Line]:
    """How far the statement in hand is: as the server counts it, else by its WAL."""
    sample = view.sample
    if sample is None or sample.tree.our_pid is None:
        return []
    return progress_lines(sample, {sample.tree.our_pid}, width) or written_lines(view, script, width)


_LOUD = {"WARNING", "ERROR", "FATAL", "PANIC"}


def _notices(script: ScriptState, width: int, most: int = 8) -> list[Line]:
    if not script.notices:
        return []
    shown = script.notices[-most:]
    hidden = len(script.notices) - len(shown)
    lines = [Line(f" notices ({hidden} earlier ones not shown)" if hidden else " notices", "dim")]
    for notice in shown:
        role: Role = "warn" if notice.severity in _LOUD else "dim"
        lines.append(Line(f"   {notice.severity}: ", role).add(notice.message).cut(width))
    return [Line(), *lines]


def _statements(view: View, script: ScriptState, width: int) -> list[Line]:
    if script.started.statements < 2 or script.batch is not None:
        return []
    lines = statement_lines(view, script.started.script, script, width)
    done = len(script.finished) - 3
    if done > 3:
        # What runs now must be in sight without scrolling.
        lines = [Line("   ").add("✓", "good").add(f" 1 to {done} done", "dim"), *lines[done:]]
    return [Line(), *lines]


def statement_lines(view: View, script_id: str, script: ScriptState | None, width: int) -> list[Line]:
    """Every statement of a script with its sign, what it is, rows and duration."""
    tags = _tags(view, script_id)
    finished = {f.index: f for f in script.finished} if script is not None else {}
    current = script.statement if script is not None and script.active and script.phase == "running" else None
    count = script.started.statements if script is not None else len(tags)
    before = _done_before(view, script_id)
    digits = len(str(count))
    lines = []
    for index in range(1, count + 1):
        done = finished.get(index)
        tag = tags[index - 1] if index <= len(tags) else (done.status if done else "")
        if done is not None:
            sign, role, right = "✓", "good", duration(done.seconds)
            if done.rows is not None:
                right = f"{counted(done.rows, 'row')}   {right:>8}"
        elif index <= before:
            sign, role, right = "✓", "good", "before"
        elif current is not None and current.index == index:
            sign, role, right, tag = "▶", "us", "", tag or current.tag
        elif script is not None and script.phase == "failed" and index == _broken(script):
            sign, role, right = "✗", "bad", ""
        else:
            sign, role, right = "○", "dim", ""
        left = Line("   ").add(sign, role).add(f" {index:>{digits}} {tag}", "dim" if role == "dim" else "")  # type: ignore[arg-type]
        lines.append(spread(left, Line(f"{right} ", "dim"), width))
    return lines


def _done_before(view: View, step_id: str) -> int:
    """So many statements of the step an earlier try committed; of its way back none are told."""
    step = next((s for s in view.state.steps if s.plan.id == step_id), None)
    if step is None or step.plan.transaction or _is_back(view, step_id):
        return 0
    rows = view.state.ledger.steps if view.state.ledger is not None else ()
    return 0 if any(row.undoing for row in rows if row.step == step_id) else step.completed or 0


def _broken(script: ScriptState) -> int | None:
    return script.statement.index if script.statement is not None else None


def _tags(view: View, script_id: str) -> list[str]:
    if view.runbook is None:
        return []
    for step in view.runbook.steps:
        if step.id == script_id and not _is_back(view, script_id):
            return [_named(s.text) for s in step.sql.statements]
    for rollback in view.runbook.rollbacks:
        if rollback.id == script_id:
            return [_named(s.text) for s in rollback.sql.statements]
    return []


def _is_back(view: View, script_id: str) -> bool:
    script = view.state.script
    return script is not None and script.started.script == script_id and script.started.direction == "back"


def _named(sql: str) -> str:
    """The statement's beginning on one row: its tag alone does not tell which table."""
    return " ".join(sql[:200].split())


def _verification_lines(view: View, width: int, height: int) -> list[Line]:
    verification = view.running_verification
    if verification is None:
        return []
    return [
        spread(Line(f" {verification.plan.title}", "strong"), Line("▶ verifying ", "us"), width),
        Line(),
        *sql_lines(verification.plan.sql, width, most=max(3, height - 3)),
    ]
