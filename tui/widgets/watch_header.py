"""The head of ``lockstep watch``: whose server, whether one may act on it, how old the picture is, what is hidden."""

from dataclasses import dataclass
from datetime import datetime

from tui.engine.export import Picture
from tui.engine.facts import Target

from .line import Line, join, spread
from .words import clock, counted, duration, running

_NARROW = 100


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What looking costs: ``look`` seconds of each ``every`` seconds, both as measured; None before it is known."""

    look: float | None = None
    every: float | None = None


def header_lines(
    target: Target | None, picture: Picture | None, rhythm: Rhythm, now: datetime, acts: bool, width: int
) -> list[Line]:
    """Two rows."""
    return [_server(target, picture, now, acts, width), _looking(picture, rhythm, now, width)]


def _server(target: Target | None, picture: Picture | None, now: datetime, acts: bool, width: int) -> Line:
    narrow = width < _NARROW
    left = Line(" ").add(" MAY END SESSIONS " if acts else " READ ONLY ", "badge-warn" if acts else "badge-plain")
    right = Line(f"{clock(now, seconds=True)} ", "strong")
    if target is None:
        return spread(left.add("  connecting …", "dim"), right, width)
    counters = picture.sample.counters if picture is not None else None
    if counters is not None and counters.in_recovery:
        left.add(" ").add(" STANDBY ", "badge-warn")
    left.add(f"  {target.database}", "strong")
    if narrow:
        left.add(f"@{target.host}:{target.port} · {target.version} · {target.user}")
    else:
        left.add(f" on {target.host}:{target.port} · PostgreSQL {target.version} · as {target.user}")
    return spread(left, right, width)


def _looking(picture: Picture | None, rhythm: Rhythm, now: datetime, width: int) -> Line:
    cost = Line()
    if rhythm.look is not None:
        cost.add(f"a look takes {duration(rhythm.look)}", "dim")
        cost.add(f", every {rhythm.every:.2g} s" if rhythm.every is not None else "", "dim").add(" ")
    if picture is None:
        return spread(Line(" no look at the server yet", "dim"), cost, width)
    pieces = []
    if picture.paused_since is not None:
        old = running((now - picture.sample.at).total_seconds())
        pieces.append(Line(f" PAUSED since {clock(picture.paused_since, seconds=True)}, {old} old ", "badge-warn"))
    if picture.filter:
        pieces.append(_filtered(picture))
    left = Line(" ").extend(join(pieces, "  "))
    # What is wrong with the picture counts for more than what it costs.
    return spread(left, cost if left.cells + cost.cells + 2 <= width else Line(), width)


def _filtered(picture: Picture) -> Line:
    """The filter, and what it keeps back."""
    hidden = [counted(picture.roster.hidden, "session")] if picture.roster.hidden else []
    if picture.hidden_trees:
        hidden.append(counted(picture.hidden_trees, "lock tree"))
    line = Line(" FILTER ", "badge-warn").add(f" hides {' and '.join(hidden) or 'nobody'}", "warn" if hidden else "dim")
    return line.add(f": {picture.filter}", "strong")
