"""What the dialogs say: pure text from state, plan and preview. Only what is known is said."""

from datetime import datetime

from tui.engine.deadline import deadline
from tui.engine.facts import Holder
from tui.engine.gates import ENDS, LATE
from tui.engine.operator import SignalPreview
from tui.engine.sample import LockNode, Sample
from tui.engine.state import NextAct, RunState, StepState
from tui.postgres.rows import MONITOR
from tui.widgets.line import Line, join, wrap
from tui.widgets.proof import margin_words
from tui.widgets.sql import whole_sql
from tui.widgets.watch import holder_words, named
from tui.widgets.words import clock, counted, listed, running


def signal_lines(preview: SignalPreview, seen: datetime, sample: Sample | None, width: int) -> list[Line]:
    """Who it is, what it holds, what its end frees and what is lost with it, as ``seen`` then; and what changed."""
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
    return [*lines, *_since(preview, seen, sample, width)]


def _since(preview: SignalPreview, seen: datetime, sample: Sample | None, width: int) -> list[Line]:
    """The newest look against the close one, for it goes on while one thinks."""
    lines = [Line(f"as seen at {clock(seen, seconds=True)}", "dim")]
    if sample is None or sample.at <= seen or any(source.name == MONITOR for source in sample.missing):
        return lines
    pid = preview.session.pid
    if all(session.pid != pid for session in sample.sessions):
        return [*lines, Line("it is gone by now: nothing will be sent", "warn")]
    if preview.frees_us and not any(_leads_to_us(root, pid) for root in sample.tree.roots):
        return [*lines, *wrap("we do not wait for it any more: the step went on, or gave way", width, "warn")]
    return lines


def _leads_to_us(node: LockNode, pid: int, below: bool = False) -> bool:
    """Our session stands somewhere under this one."""
    if below and node.ours:
        return True
    return any(_leads_to_us(child, pid, below or node.pid == pid) for child in node.children)


def _frees(preview: SignalPreview) -> Line:
    others = counted(len(preview.frees), "session")
    if preview.frees_us:
        return Line("frees us").add(f" and {others} behind" if preview.frees else "", "")
    return Line(f"frees {others}" if preview.frees else "nobody waits for it", "" if preview.frees else "warn")


def _lost(preview: SignalPreview) -> Line:
    if preview.has_written:
        return Line("its open transaction has written: those writes would be lost", "warn")
    return Line("its open transaction has written nothing: nothing of it is lost")


def repair_lines(step: StepState, width: int) -> list[Line]:
    """What an earlier try left behind, and every statement that takes it away."""
    if not step.repair:
        return [Line("nothing is left to repair", "dim")]
    what = step.remains.what if step.remains is not None else ""
    lines = wrap(f"{step.plan.id} {step.plan.title}: {what}", width)
    lines += [
        Line(),
        Line(f"{counted(len(step.repair), 'statement')} will run first, outside a transaction:", "strong"),
    ]
    for number, sql in enumerate(step.repair, 1):
        first, *rest = whole_sql(f"{sql};", width - 4, indent="")
        lines += [Line(f"{number}.".ljust(4), "dim").extend(first), *(Line("    ").extend(row) for row in rest)]
    return [*lines, Line(), *wrap(f"then {step.plan.id} goes on where it stopped", width)]


def take_over_lines(state: RunState, holder: Holder | None, width: int) -> list[Line]:
    """What taking the run in hand means."""
    watched = state.watched
    if watched is None:
        return [Line("the run is in your hand", "good")]
    if watched.holder is not None:
        return wrap(f"too late: {holder_words(watched.holder)}", width, "bad")
    who = f"{named(holder)} is gone." if holder is not None else "Nobody has it any more."
    lines = wrap(f"{who} From now on it would be in your hand, and the record says so.", width)
    if watched.script_pid is not None:
        text = f"session {watched.script_pid} still runs its script: nothing begins before that has ended"
        lines += wrap(text, width, "warn")
    return [*lines, *wrap("Taking it in hand reads ledger and catalog; it changes nothing by itself.", width, "dim")]


def gate_lines(act: NextAct, state: RunState, width: int) -> list[Line]:
    """What is still open."""
    what = {
        "open_window": "The window stays shut:",
        "run_step": f"Step {act.step} does not run yet:",
        "repair": f"Step {act.step} is not repaired yet:",
    }
    lines = [Line(what.get(act.kind, "Not yet:"), "strong")]
    named_ones = act.gates[len(act.gates) - len(act.gate_ids) :]
    told = dict(zip(named_ones, act.gate_ids, strict=True))
    loud = {gate for gate, wanted in told.items() if wanted.startswith(("changed:", LATE, ENDS))}
    for gate in act.gates[:10]:
        sign = "!" if gate in loud else "✗" if gate.startswith("failed: ") else "○"
        first, *rest = wrap(gate, width - 4, limit=4)
        lines.append(Line("  ").add(sign, "bad" if sign == "✗" else "warn").add(" ").extend(first))
        lines += [Line("    ").extend(row) for row in rest]
    if len(act.gates) > 10:
        lines.append(Line(f"  … {len(act.gates) - 10} more", "dim"))
    limit = deadline(state, act.step) if f"{LATE}{act.step}" in act.gate_ids else None
    if limit is not None and limit.at is not None:
        lines += wrap(f"going back took {margin_words(limit)}", width, "dim", indent="    ")
    return lines


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
