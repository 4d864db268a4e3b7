"""What the console says when something has come to an end: done, failed, rolled back, opened again."""

from tui.engine.deadline import proof_of
from tui.engine.later import ended_by, waiting, waits_in_words
from tui.engine.narrate import rows_read
from tui.engine.state import RunState, ScriptState, StepStatus, VerificationStatus

from .line import Line, join, spread, wrap
from .mending import accepted_lines, leftover_lines
from .proof import difference_lines
from .sql import sql_lines
from .view import STEP_SIGNS, View
from .words import clock, counted, duration, listed, running


def done_lines(view: View, selected: str | None, width: int) -> list[Line]:
    """All steps are applied and verified. ``selected``: the checklist line that the cursor is on."""
    state = view.state
    assert state.opened is not None
    total = sum(s.seconds or 0.0 for s in state.steps)
    pending = VerificationStatus.PENDING
    # Those of a step that is left for another night are not missing.
    asked = [v for v in state.verifications if v.plan.after != "back" and (v.status is not pending or v in state.due)]
    good = sum(v.status is VerificationStatus.PASSED for v in asked)
    accepted = sum(v.status is VerificationStatus.ACCEPTED for v in state.verifications)
    head = Line(" ✓ ", "good").add(state.opened.title, "strong").add(" is done", "good")
    facts = [
        Line(f"{counted(len(state.applied), 'step')} in {duration(total)}").add(_rehearsed(state), "dim"),
        Line(f"{good} of {len(asked)} verified"),
    ]
    if accepted:
        facts.append(Line(f"! {accepted} accepted although failed", "warn"))
    facts.append(_window_used(view))
    lines = [Line(), head.cut(width), *_in_rows(facts, width), Line()]
    lines += _waits(state, width)
    lines += accepted_lines(view, width)
    lines += _to_do(state, selected, width)
    if any(s.plan.untested for s in state.steps):
        names = listed(tuple(s.plan.id for s in state.steps if s.plan.untested))
        lines += [Line(), Line(f"   untested: {names}", "bad").cut(width)]
    lines += _later(state, width)
    ended = ended_by(state)
    back = "R takes everything back" if ended is None else f"there is no way back: {ended} ended it"
    text = f"{back}; q closes the console, the database stays as it is"
    return [*lines, Line(), *wrap(text, width - 2, "dim", indent="   ")]


def _in_rows(facts: list[Line], width: int) -> list[Line]:
    """Side by side where there is room, and none of them torn apart."""
    rows: list[list[Line]] = [[]]
    for fact in facts:
        if rows[-1] and join([*rows[-1], fact], " · ").cells + 3 > width:
            rows.append([])
        rows[-1].append(fact)
    return [Line("   ").extend(join(row, " · ")).cut(width) for row in rows]


def _rehearsed(state: RunState) -> str:
    """`` (rehearsed 38.0 s)``, where every step was."""
    proofs = [proof_of(state, step) for step in state.applied]
    known = [p.forward_seconds for p in proofs if p is not None and p.forward_seconds is not None]
    return f" (rehearsed {duration(sum(known))})" if len(known) == len(state.applied) else ""


def _window_used(view: View) -> Line:
    state = view.state
    if state.window_opened_at is None or state.opened is None:
        return Line()
    last = max((s.at for s in state.steps if s.at), default=view.now)
    ended = max([last, *(v.result.at for v in state.verifications if v.result)])
    used = (ended - state.window_opened_at).total_seconds()
    text = f"window {running(state.opened.window)}, used {running(used)}"
    return Line(text, "bad" if used > state.opened.window else "")


def _waits(state: RunState, width: int) -> list[Line]:
    """What the application felt: the longest wait of ours, and the longest queue behind us."""
    if not state.waits:
        return [Line("   no step had to wait for a lock", "dim")]
    longest = max(state.waits, key=lambda w: w.seconds)
    line = Line(f"   longest wait for a lock {duration(longest.seconds)} in {longest.script}")
    if longest.blockers:
        names = listed(tuple(f"{b.pid} {b.application_name}".strip() for b in longest.blockers), most=2)
        line.add(f", behind {names}")
    queued = max(w.queued for w in state.waits)
    lines = [line.cut(width), Line(f"   at most {counted(queued, 'session')} waited behind us").cut(width)]
    for signal in state.signals:
        if signal.sent:
            verb = "terminated" if signal.action == "terminate" else "query cancelled"
            text = f"   {signal.pid} ({signal.session}) {verb} by {signal.operator} at {clock(signal.at, seconds=True)}"
            lines.append(Line(text, "dim").cut(width))
    return lines


def _to_do(state: RunState, selected: str | None, width: int) -> list[Line]:
    open_items = [i for i in state.items if i.plan.phase == "after" and not i.done]
    if not open_items:
        return []
    lines = [Line(), Line(f"   still to do after the window: {len(open_items)}", "strong")]
    for item in open_items[:12]:
        tick = Line("space ticks it ", "dim") if item.plan.id == selected else Line()
        lines.append(spread(Line("     ○ ", "dim").add(item.plan.title), tick, width))
    if len(open_items) > 12:
        lines.append(Line(f"     … {len(open_items) - 12} more", "dim"))
    return lines


def _later(state: RunState, width: int) -> list[Line]:
    """What is left for another night."""
    step = waiting(state)
    if step is None:
        return []
    text = f"left for later: {step.plan.id} {step.plan.title}, {waits_in_words(state.steps, step)}"
    return [Line(), *wrap(text, width - 2, "strong", indent="   ")]


def rolled_back_lines(view: View, width: int) -> list[Line]:
    """A rollback came to its end, whole or to a step, well or not."""
    state = view.state
    plan = state.rollback
    assert plan is not None
    if state.rollback_ok is False:
        head = Line(" ✗ ", "bad").add("the rollback did not get through", "bad")
    elif state.applied:
        head = Line(" ↺ ", "warn").add(f"rolled back to after {state.applied[-1]}", "strong")
    else:
        head = Line(" ↺ ", "warn").add("everything is rolled back", "strong")
    lines = [
        Line(),
        head,
        Line(f"   undone: {listed(plan.undoes, 12)}   by {plan.operator} at {clock(plan.at)}").cut(width),
    ]
    lines += [*_compared(view, width), Line(), *_holds(view, width)]
    judges = [v for v in state.due if v.plan.after == "back" or state.applied]
    if judges:
        lines += [Line(), Line("   verified that it is back", "strong")]
        for verification in judges:
            sign = {VerificationStatus.PASSED: "✓", VerificationStatus.FAILED: "✗"}.get(verification.status, "○")
            role = "good" if sign == "✓" else "bad" if sign == "✗" else "dim"
            lines.append(Line("     ").add(sign, role).add(f" {verification.plan.title}").cut(width))  # type: ignore[arg-type]
    elif state.compared is None or state.compared.error:
        lines += [Line(), Line("   nothing verifies the way back: untested", "bad")]
    return lines


def _compared(view: View, width: int) -> list[Line]:
    """Whether the database is again what it was before the first step, and where not."""
    state, found = view.state, view.state.compared
    if not state.rolled_back:
        return []
    if found is None:
        text = "not compared yet with what was there before: enter compares" if state.uncompared else "not compared"
        return [Line(f"   {text}", "dim").cut(width)]
    if found.error:
        lines = wrap(f"! not compared: {found.error}", width - 1, "warn", indent="   ", limit=6)
        return [*lines, Line("   enter compares again", "dim").cut(width)] if state.uncompared else lines
    at = clock(state.before.at) if state.before is not None else "before"
    objects = f"{counted(found.objects, 'object')} compared"
    if found.identical:
        head = Line("   ✓ ", "good").add(f"identical to the schema at {at}", "good").add(f", {objects}")
    else:
        differs = counted(len(found.differences), "difference")
        head = Line("   ✗ ", "bad").add(f"not what it was at {at}: {differs}", "bad").add(f", {objects}", "dim")
    lines = [head.cut(width), *difference_lines(found.differences, width, "     ")]
    lines.append(Line(f"     {rows_read(found)}", "dim").cut(width))
    for words in found.left:
        lines += wrap(f"left on purpose: {words}", width - 1, "dim", indent="     ", limit=3)
    for limit in found.limits:
        lines += wrap(f"not compared: {limit}", width - 1, "warn", indent="     ", limit=3)
    if found.earlier and found.earlier_at is not None:
        text = f"! but against {clock(found.earlier_at)}, before an earlier try:"
        lines += [Line(f"   {text}", "bad").cut(width), *difference_lines(found.earlier, width, "     ")]
    return lines


def failure_lines(view: View, script: ScriptState, width: int) -> list[Line]:
    """PostgreSQL's own words, where in the file, and what the database holds now."""
    failure = script.failure
    assert failure is not None
    verb = {
        "error": "failed",
        "cancelled": "was cancelled",
        "locks": "did not get its locks",
        "connection": "lost its connection",
    }
    head = (
        Line(" ✗ ", "bad")
        .add(f"{failure.script}  {script.started.title}", "strong")
        .add(f"  {verb[failure.reason]}", "bad")
    )
    head.add(f" at {clock(failure.at, seconds=True)}", "dim")
    lines = [head.cut(width)]
    error = failure.error
    if error is None:
        lines += wrap(failure.message, width - 2, indent="   ", limit=8)
    else:
        lines += wrap(f"ERROR {error.sqlstate}: {error.message}", width - 2, "bad", indent="   ", limit=8)
        said = [(word, text) for word, text in (("detail", error.detail), ("hint", error.hint)) if text]
        for word, text in said:
            lines += wrap(f"{word}: {text}", width - 2, indent="   ", limit=6)
        if failure.advice and failure.advice != error.message:
            lines += wrap(failure.advice, width - 2, "strong", indent="   ", limit=6)
        if error.context:
            lines += wrap(f"context: {error.context}", width - 2, "dim", indent="   ", limit=6)
    step = next((s for s in view.state.steps if s.plan.id in failure.steps and s.repair), None)
    if step is not None:
        lines += [Line(), *leftover_lines(step, width)]
    statement = script.statement
    if statement is not None and script.batch is None:
        line = error.line if error is not None and error.line is not None else statement.line
        where = f"statement {statement.index} of {script.started.statements}, "
        where += f"line {line} of {_file(view, script)}"
        lines += [
            Line(),
            Line(f"   {where}", "dim").cut(width),
            *sql_lines(statement.sql, width, most=8, indent="   "),
        ]
    return [*lines, Line(), *_holds(view, width)]


def _file(view: View, script: ScriptState) -> str:
    if view.runbook is None:
        return "its file"
    if script.started.direction == "forward":
        return next((s.sql.name for s in view.runbook.steps if s.id == script.started.script), "its file")
    shared = (r.sql.name for r in view.runbook.rollbacks if r.id == script.started.script)
    own = (s.rollback.name for s in view.runbook.steps if s.id == script.started.script and s.rollback)
    return next(shared, None) or next(own, "its file")


def _holds(view: View, width: int) -> list[Line]:
    """What the database holds now, in one or two sentences."""
    state = view.state
    lines = []
    failure = state.script.failure if state.script is not None else None
    if failure is not None:
        match failure.outcome:
            case "rolled_back":
                lines.append(Line(f"   nothing of {failure.script} is in the database", "strong"))
            case "partial":
                of = f"step {failure.script}" if failure.direction == "forward" else f"the way back {failure.script}"
                text = f"{counted(failure.completed, view.in_pieces)} of {of} stayed in the database"
                if state.script is not None and state.script.batch is not None:
                    text += f", {counted(state.script.batch.done, 'row')}; going on begins behind them"
                lines += wrap(text, width - 2, "bad" if view.in_pieces == "statement" else "warn", indent="   ")
            case "in_doubt":
                lines.append(Line(f"   {failure.script} is in doubt: its COMMIT had no answer", "bad"))
    applied = state.applied
    text = (
        f"   {listed(applied, 8)} {'is' if len(applied) == 1 else 'are'} committed"
        if applied
        else "   no step is applied"
    )
    return [*lines, Line(text).cut(width)]


def reopened_lines(view: View, width: int) -> list[Line]:
    """This console took over a run that was begun before: what the database says of it."""
    before, state = view.before, view.state
    assert before is not None
    assert state.opened is not None
    who = before.opened
    lines = [Line()]
    if who is not None and before.last is not None:
        ending = "was closed" if before.closed is not None else "was open"
        until = "at" if before.closed is not None else "until"
        moment = clock(before.last.at, seconds=True)
        text = f" This run {ending} on {who.client} ({who.operator}) {until} {moment}. The database says:"
        lines.append(Line(text).cut(width))
    for step in state.steps:
        sign, role = STEP_SIGNS[step.status]
        line = Line("   ").add(sign, role).add(f" {step.plan.id} ")
        match step.status:
            case StepStatus.APPLIED:
                line.add("committed")
                if step.plan.id in before.intents and step.plan.id not in before.applied:
                    xid = before.intents[step.plan.id].transaction_id
                    line.add(f": its COMMIT had no answer; the ledger has it (transaction {xid})", "warn")
            case StepStatus.PENDING:
                line.add("not begun" if step.plan.id not in before.intents else "not committed", "dim")
            case StepStatus.ROLLED_BACK:
                line.add("rolled back")
            case StepStatus.FAILED:
                line.add(step.message or "failed before; nothing of it stayed")
            case StepStatus.RUNNING:
                line.add("still runs in another session", "us")
            case _:
                line.add("in doubt", "bad")
        lines.append(line.cut(width))
        lines += leftover_lines(step, width, indent="       ")
    lines += accepted_lines(view, width)
    ends = state.window_ends_at
    if ends is not None:
        left = (ends - view.now).total_seconds()
        said = f"has {running(left)} left" if left > 0 else f"is over since {clock(ends)}"
        lines.append(Line(f" The window is open since {clock(state.window_opened_at)} and {said}.").cut(width))
    return lines
