"""What is known of the selected row of the list: a checklist line, a step or a verification."""

from tui.engine.later import waits_in_words
from tui.engine.state import ItemState, StepState, StepStatus, VerificationState, VerificationStatus

from .forecast import calm_lines, forecast_lines
from .line import Line, join, spread, wrap
from .mending import accepted_lines, doubt_lines, leftover_lines
from .outline import Key, item_sign
from .proof import margin_lines, proof_lines
from .sql import sql_lines
from .step import statement_lines
from .summary import failure_lines
from .view import STEP_WORDS, VERIFICATION_SIGNS, View
from .words import clock, counted, duration, expected, grouped


def detail_lines(view: View, key: Key | None, width: int) -> list[Line]:
    """The pane while nothing runs."""
    if key is None or view.state.opened is None:
        return []
    match key.kind:
        case "item":
            return _item(view, view.state.item(key.id), width)
        case "step":
            return _step(view, view.state.step(key.id), width)
        case "verification":
            return _verification(view, view.state.verification(key.id), width)
        case "more":
            return [Line(), Line("   right unfolds the list, left folds it again", "dim")]


_BY = {
    "human": "a human ticks it",
    "probe": "Lockstep asks the database",
    "command": "Lockstep runs a command",
}


def _item(view: View, item: ItemState, width: int) -> list[Line]:
    plan = item.plan
    sign, role = item_sign(item)
    lines = [Line(f" {sign} ", role).extend(piece) for piece in wrap(plan.title, width - 4, "strong", limit=3)]
    due = f"due with step {plan.step}" if plan.step else f"due {plan.phase} the window"
    need = "required" if plan.required else "optional"
    lines.append(Line(f"   {need}, {due}; {_BY[plan.by]}", "dim").cut(width))
    if plan.detail:
        lines += [Line(), *wrap(plan.detail, width - 2, indent="   ")]
    lines.append(Line())
    if plan.by == "human":
        lines += _tick(item, width)
    elif item.asking:
        lines.append(Line("   asking …", "us"))
    else:
        lines += _probe(item, width)
    for override in view.state.overrides:
        if plan.id in override.open:
            text = f"gone past by {override.operator} at {clock(override.at, seconds=True)}: {override.reason}"
            lines += wrap(text, width - 2, "warn", indent="   ")
    return lines


def _tick(item: ItemState, width: int) -> list[Line]:
    if item.at is None:
        return [Line("   not ticked yet", "dim")]
    word = "ticked" if item.done else "tick taken back"
    lines = [Line(f"   {word} by ").add(item.operator, "strong").add(f" at {clock(item.at, seconds=True)}")]
    if item.note:
        lines += wrap(f"note: {item.note}", width - 2, indent="   ")
    return lines


def _probe(item: ItemState, width: int) -> list[Line]:
    probe = item.probe
    if probe is None:
        return [Line("   not asked yet; space asks", "dim")]
    lines = [
        _expected_found(probe.expected, probe.found, probe.ok, probe.seconds, width),
        Line(f"   asked at {clock(probe.at, seconds=True)}; space asks again", "dim"),
    ]
    if probe.error:
        lines += [Line(), *wrap(probe.error, width - 2, "bad", indent="   ", limit=20)]
    if probe.output:
        lines += [Line(), *wrap(probe.output, width - 2, indent="   ")]
    return lines


def _expected_found(wanted: str, found: str, ok: bool, seconds: float, width: int) -> Line:
    wanted, found = grouped(wanted), grouped(found)
    room = max(10, (width - 46) // 2)
    pieces = [
        Line("   expected  ", "dim").extend(Line(wanted, "strong").cut(room)),
        Line("found  ", "dim").extend(Line(found, "good" if ok else "bad").cut(room)),
        Line("took ", "dim").add(duration(seconds), "dim"),
    ]
    return join(pieces, "     ").cut(width)


def _step(view: View, step: StepState, width: int) -> list[Line]:
    script = view.scripts.get(step.plan.id)
    if step.status is StepStatus.FAILED and script is not None and script.failure is not None:
        return failure_lines(view, script, width)
    if step.status is StepStatus.IN_DOUBT:
        return doubt_lines(view, width, 0)
    sign, role = view.sign_of_step(step)
    status = Line(f"{sign} {STEP_WORDS[step.status]} ", role)
    lines = [spread(Line(f" {step.plan.id}  {step.plan.title}", "strong"), status, width)]
    how = "one transaction" if step.plan.transaction else "statement by statement, each commits"
    if view.runbook is not None and any(s.batch for s in view.runbook.steps if s.id == step.plan.id):
        how = "in chunks of rows, each commits"
    facts = [f"{counted(step.plan.statements, 'statement')}, {how}"]
    if step.plan.expected:
        facts.append(f"expected {expected(step.plan.expected)}")
    if step.seconds is not None:
        facts.append(f"took {duration(step.seconds)}")
    lines.append(Line(" " + "   ".join(facts), "dim").cut(width))
    if step.at is not None and step.status is not StepStatus.PENDING:
        word = "committed" if step.status is StepStatus.APPLIED else STEP_WORDS[step.status]
        text = f" {word} at {clock(step.at, seconds=True)}"
        lines.append(Line(text + (f" by {step.operator}" if step.operator else ""), "dim").cut(width))
    if step.status is StepStatus.PENDING and step.plan.not_before is not None:
        lines.append(Line(f" {waits_in_words(view.state.steps, step)}", "warn").cut(width))
    if step.plan.point_of_no_return:
        lines.append(Line(" a point of no return: it and all before it stay", "warn").cut(width))
    lines += proof_lines(view, step, width)
    if step.message:
        lines += [Line(), *wrap(step.message, width - 2, "bad", indent=" ")]
    lines += [*leftover_lines(step, width, indent=" "), *accepted_lines(view, width, step.plan.id)]
    lines += [*forecast_lines(view, step, width), *calm_lines(view, step.plan.id, width)]
    guard = f" guard: {step.plan.max_blocked_sessions} sessions behind it, or {step.plan.max_blocked_for:g} s"
    lines += [*margin_lines(view, step, width), Line(f"{guard}; then it gives its locks back", "dim").cut(width)]
    lines += [Line(), *statement_lines(view, step.plan.id, script, width)]
    return lines + _checked_by(view, step)


def _checked_by(view: View, step: StepState) -> list[Line]:
    checks = [v for v in view.state.verifications if v.plan.after == step.plan.id]
    lines = [Line(), Line(" verified by", "dim")] if checks else []
    for check in checks:
        sign, role = VERIFICATION_SIGNS[check.status]
        lines.append(Line("   ").add(sign, role).add(f" {check.plan.title}"))
    return lines


def _verification(view: View, verification: VerificationState, width: int) -> list[Line]:
    plan, result = verification.plan, verification.result
    sign, role = VERIFICATION_SIGNS[verification.status]
    when = {"end": "at the end", "back": "after going back"}.get(plan.after, f"after {plan.after}")
    lines = [spread(Line(f" {sign} ", role).add(plan.title, "strong"), Line(f"{when} ", "dim"), width)]
    if result is None:
        lines.append(Line("   not run yet", "dim"))
    else:
        lines.append(_expected_found(result.expected, result.found, result.ok, result.seconds, width))
    if verification.status is VerificationStatus.ACCEPTED:
        for override in view.state.overrides:
            if plan.id in override.open:
                lines += wrap(f"accepted by {override.operator}: {override.reason}", width - 2, "warn", indent="   ")
    lines += [Line(), *sql_lines(plan.sql, width, most=14, indent="   "), Line()]
    if result is not None and result.error is not None:
        lines += wrap(f"ERROR {result.error.sqlstate}: {result.error.message}", width - 2, "bad", indent="   ")
    elif result is not None:
        lines += _rows(result.columns, result.rows, result.row_count, width)
    return lines


def _rows(columns: tuple[str, ...], rows: tuple[tuple[str | None, ...], ...], count: int, width: int) -> list[Line]:
    """A plain table; each column as wide as its widest shown value, at most 40 cells."""
    if not columns:
        return []
    shown = [columns, *rows]
    widths = [
        min(40, max(Line((row[i] if i < len(row) else "") or "null").cells for row in shown))
        for i in range(len(columns))
    ]
    lines = []
    for position, row in enumerate(shown):
        line = Line("   ")
        for i, cells in enumerate(widths):
            value = row[i] if i < len(row) else ""
            line.column("null" if value is None else value, cells, "dim" if position == 0 or value is None else "")
            line.add("  ")
        lines.append(line.cut(width))
    if count > len(rows):
        lines.append(Line(f"   … the first {len(rows)} of {counted(count, 'row')}", "dim"))
    return lines
