"""What the dialogs say: pure text from state, plan and preview. Only what is known is said."""

from datetime import datetime, timedelta

from tui.engine.operator import SignalPreview
from tui.engine.rollback import RollbackPlan
from tui.engine.state import NextAct, RunState
from tui.widgets.line import Line, join, spread, wrap
from tui.widgets.words import clock, counted, duration, listed, running


def signal_lines(preview: SignalPreview, width: int) -> list[Line]:
    """Who it is, what it holds, what its end frees and what is lost with it."""
    session = preview.session
    name = session.application_name or "no application name"
    who = f"{name} as {session.user}" + (f" from {session.client}" if session.client else "")
    since = f", since {clock(session.backend_start)}" if session.backend_start else ""
    state = Line(session.state or "state unknown", "warn" if session.state.startswith("idle in") else "")
    if session.transaction_seconds is not None:
        state.add(f" {running(session.transaction_seconds)}")
    if session.query:
        state.add(" · last: ", "dim").add(" ".join(session.query[:300].split()))
    lines = [*wrap(who + since, width), state.cut(width)]
    if preview.holds:
        lines += wrap(f"holds {listed(preview.holds, 3)}", width)
    lines += [Line(), _frees(preview), _lost(preview)]
    if preview.allowed is not None:
        lines += [Line(), *wrap(f"it cannot be signalled: {preview.allowed}", width, "bad")]
    return lines


def _frees(preview: SignalPreview) -> Line:
    others = counted(len(preview.frees), "session")
    if preview.frees_us:
        return Line("frees us").add(f" and {others} behind" if preview.frees else "", "")
    return Line(f"frees {others}" if preview.frees else "nobody waits for it", "" if preview.frees else "warn")


def _lost(preview: SignalPreview) -> Line:
    if preview.has_written:
        return Line("its open transaction has written: those writes would be lost", "warn")
    return Line("its open transaction has written nothing: nothing of it is lost")


def rollback_title(plan: RollbackPlan) -> str:
    if plan.to is not None:
        return f"Roll back to after {plan.to}?"
    if not plan.scripts:
        return f"Roll back {plan.in_flight}?"
    return f"Roll back to before {plan.undoes[-1]}?"


def rollback_lines(plan: RollbackPlan, state: RunState, now: datetime, width: int) -> list[Line]:
    """The way back in order: what is cancelled, which scripts run, what judges the result, whether it fits."""
    rows: list[tuple[Line, Line]] = []
    if plan.in_flight is not None:
        rows.append((Line(f"cancel {plan.in_flight}, in flight").add(_in_flight(state, plan.in_flight), "dim"), Line()))
    for script in plan.scripts:
        right = Line("~" + duration(script.expected) if script.expected is not None else "")
        if script.untested:
            right.add("   " if right.parts else "").add("untested", "bad")
        left = Line(f"{script.id} ", "strong").add(script.title).add(f"   undoes {', '.join(script.undoes)}")
        rows.append((left, right))
    if plan.verifications:
        rows.append((Line(f"verify: {counted(len(plan.verifications), 'check')}"), Line()))
    lines = [
        spread(Line(f"{number}. ", "dim").extend(left), right, width) for number, (left, right) in enumerate(rows, 1)
    ]
    if not plan.verifications:
        lines.append(Line("nothing verifies that it is back: untested", "bad"))
    return [*lines, Line(), *_fits(plan, state, now)]


def _in_flight(state: RunState, script_id: str) -> str:
    steps = [s.plan for s in state.steps if s.plan.id == script_id]
    if steps and not steps[0].transaction:
        return ": its finished statements stay"
    return ": nothing of it is committed"


def _fits(plan: RollbackPlan, state: RunState, now: datetime) -> list[Line]:
    ends = state.window_ends_at
    lines = []
    times = [script.expected for script in plan.scripts]
    known = [t for t in times if t is not None]
    if len(known) == len(times) and times:
        back = now + timedelta(seconds=sum(known))
        verdict = Line("fits   ", "dim").add(f"back by {clock(back)}")
        if ends is not None:
            verdict.add(f", the window ends {clock(ends)}", "" if back <= ends else "bad")
        lines.append(verdict)
    elif times:
        lines.append(Line("how long it takes was never measured", "warn"))
        if ends is not None:
            left = (ends - now).total_seconds()
            lines.append(Line(f"the window has {running(left)} left" if left > 0 else "the window is over", "dim"))
    lines.append(Line("rows written since by the application are not counted", "dim"))
    return lines


def gate_lines(act: NextAct, width: int) -> list[Line]:
    """What is still open."""
    what = {"open_window": "The window stays shut:", "run_step": f"Step {act.step} does not run yet:"}
    lines = [Line(what.get(act.kind, "Not yet:"), "strong")]
    for gate in act.gates[:10]:
        failed = gate.startswith("failed: ")
        lines.append(Line("  ").add("✗" if failed else "○", "bad" if failed else "warn").add(f" {gate}").cut(width))
    if len(act.gates) > 10:
        lines.append(Line(f"  … {len(act.gates) - 10} more", "dim"))
    return lines


def cancel_lines(state: RunState, now: datetime, width: int) -> list[Line]:
    """What is lost when the script in hand is cancelled."""
    script = state.script
    if script is None or not script.active:
        return [Line("it is over already: nothing will be cancelled", "dim")]
    elapsed = (now - script.started.at).total_seconds()
    done = len(script.finished)
    lines = [
        Line(f"it has run for {running(elapsed)}, {counted(done, 'statement')} of {script.started.statements} done")
    ]
    return [*lines, *wrap(_stays(state), width)]


def _stays(state: RunState) -> str:
    script = state.script
    assert script is not None
    wanted = script.started.steps if script.started.direction == "forward" else ()
    if any(not s.plan.transaction for s in state.steps if s.plan.id in wanted):
        return f"it is not one transaction: its {counted(len(script.finished), 'finished statement')} will stay"
    return "it is one transaction: nothing of it will be in the database"


def quit_lines(state: RunState, now: datetime, width: int) -> list[Line]:
    """What becomes of what is in flight, and what stays."""
    lines: list[Line] = []
    script = state.script
    if script is not None and script.active:
        lines += [
            Line(f"{script.started.script} runs: it is cancelled first", "warn"),
            *cancel_lines(state, now, width),
        ]
    applied = state.applied
    if applied:
        lines += wrap(f"{listed(applied, 8)} {'is' if len(applied) == 1 else 'are'} committed and will stay", width)
    ends = state.window_ends_at
    if ends is not None:
        left = (ends - now).total_seconds()
        said = f"goes on: {running(left)} left" if left > 0 else "is over"
        lines.append(Line(f"the window {said}"))
    return [*lines, Line("open the same runbook again to go on from here", "dim")]


def production_lines(state: RunState, width: int) -> list[Line]:
    """Where one is, before anything else."""
    assert state.opened is not None
    target = state.opened.target
    place = join([Line(f"{target.host}:{target.port}", "strong"), Line(f"PostgreSQL {target.version}", "dim")], " · ")
    return [
        Line(" PRODUCTION ", "badge-bad").add("  ").extend(place).cut(width),
        Line(),
        *wrap(f"This is the database {target.database} as {target.user}.", width),
        *wrap("Type its name to work on it. Without it you can look at everything and change nothing.", width, "dim"),
    ]
