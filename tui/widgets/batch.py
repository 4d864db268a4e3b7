"""A batched script in hand: how far it is, how fast, how long still, and what holds it up."""

from tui.engine.state import BatchState, ScriptState

from .line import Line, Role, join, wrap
from .view import View
from .words import number, running


def percent(batch: BatchState) -> int:
    """0 to 100, and 100 only when nothing is left."""
    whole = int(100 * max(0.0, min(1.0, batch.fraction)))
    return min(whole, 99) if batch.left > 0 else whole


def chunk_in_hand(view: View, script: ScriptState, batch: BatchState) -> int:
    """The chunk that runs or is to come, from 1; an earlier try's count goes on."""
    steps = [s for s in view.state.steps if s.plan.id in script.started.steps]
    before = max((s.completed or 0 for s in steps), default=0)
    return max(batch.chunk, before) + 1


def batch_lines(view: View, script: ScriptState, width: int) -> list[Line]:
    """The bar, the rows, the rate; and loudly why no chunk begins, if none does."""
    batch = script.batch
    assert batch is not None
    bar = max(10, min(40, width // 3))
    filled = bar * percent(batch) // 100
    role: Role = "warn" if batch.throttled else "us"
    line = Line(" ").add("█" * filled, role).add("░" * (bar - filled), "rule").add(f" {percent(batch)} %", "strong")
    line.add(f"   {number(batch.done)} of {number(batch.done + batch.left)} rows")
    lines = [line.cut(width), Line(" ").extend(join([_rate(batch), _left(batch)])).cut(width)]
    if batch.throttled == "paused":
        lines.append(Line(" ").add(" PAUSED ", "badge-warn").add(" no chunk begins: p lets it go on", "warn"))
    elif batch.throttled:
        said, *more = wrap(f"throttled: {batch.throttled}", width - 4, "warn", limit=3)
        lines += [Line(" ").add("◷ ", "warn").extend(said), *(Line("   ").extend(row) for row in more)]
    elif view.state.paused:
        lines.append(Line(" ").add(" PAUSED ", "badge-warn").add(" after the chunk in hand: p lets it go on", "warn"))
    return lines


def _rate(batch: BatchState) -> Line:
    rate = batch.rate
    if rate is None:
        return Line("rate not known yet", "dim")
    return Line("rate ", "dim").add(f"{number(round(rate)) if rate >= 10 else f'{rate:.1f}'} rows/s")


def _left(batch: BatchState) -> Line:
    seconds = batch.seconds_left
    if not batch.left:
        return Line("looks for rows that came meanwhile", "dim")
    return Line("left ", "dim").add(f"about {running(seconds)}" if seconds is not None else "not known yet")
