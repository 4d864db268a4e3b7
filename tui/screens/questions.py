"""What the dialogs say: pure text from the state. Only what is known is said."""

from tui.engine.deadline import deadline
from tui.engine.facts import Holder
from tui.engine.gates import ENDS, LATE
from tui.engine.state import NextAct, RunState, StepState
from tui.widgets.line import Line, join, wrap
from tui.widgets.proof import margin_words
from tui.widgets.sql import whole_sql
from tui.widgets.watch import holder_words, named
from tui.widgets.words import counted


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
