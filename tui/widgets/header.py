"""The head of the console: whose database, how long the window has left, and when the decision to go back must fall."""

from collections.abc import Iterator

from .line import Line, Role, join, spread
from .proof import deadline_line
from .view import View
from .watch import gone_words, holder_words, named
from .words import clock, duration, running


def header_lines(view: View, width: int) -> list[Line]:
    """Two rows; one on a narrow screen."""
    if width < 100:
        return [_narrow(view, width)]
    return [_target(view, width), _window(view, width)]


def _target(view: View, width: int) -> Line:
    opened = view.state.opened
    if opened is None:
        return Line(" connecting …", "dim").pad(width)
    target = opened.target
    left = Line(" ").extend(_environment(view, "PRODUCTION", "NOT PRODUCTION"))
    left.add(f"  {target.database}", "strong").add(f" on {target.host}:{target.port} · PostgreSQL {target.version}")
    right = Line(f"operator: {view.state.operator} ")
    title = Line(opened.title, "strong").cut(max(10, width // 3))
    room = width - right.cells - 3
    gap = max(3, (width - title.cells) // 2 - left.cells)
    middle = Line().extend(left.cut(max(10, room - title.cells - 3)))
    middle.add(" " * min(gap, max(1, room - middle.cells - title.cells))).extend(title)
    return spread(middle, right, width)


def _environment(view: View, production: str, other: str) -> Line:
    opened = view.state.opened
    if opened is not None and opened.target.production:
        badge = Line(f" {production} ", "badge-bad")
    else:
        badge = Line(f" {other} ", "badge-plain")
    for text in _alarms(view):
        badge.add(" ").add(f" {text} ", "badge-warn")
    return badge


def _alarms(view: View) -> Iterator[str]:
    """What nobody may overlook, whatever else is on the screen."""
    state = view.state
    if state.awaited is not None:
        yield f"NO SERVER {running((view.now - state.awaited.at).total_seconds())}"
    if state.watched is not None:
        yield "READ ONLY" if state.watched.read_only else "YOU WATCH"
    if state.paused:
        yield "PAUSED"


def _window(view: View, width: int) -> Line:
    state = view.state
    if state.opened is None:
        return Line().pad(width)
    if state.watched is not None:
        holder = state.watched.holder
        free: Role = "" if state.watched.read_only else "warn"
        text = Line(f" {holder_words(holder)}", "strong") if holder else Line(f" {gone_words(view)}", free)
        return text.cut(width).pad(width)
    ends, began = state.window_ends_at, state.window_opened_at
    if ends is None or began is None:
        return Line(f" window of {duration(state.opened.window)}, not open yet", "dim").pad(width)
    gone = (view.now - began).total_seconds()
    left = (ends - view.now).total_seconds()
    text = Line(f" window {clock(began)} → {clock(ends)}   ")
    bar = max(10, min(40, width // 4))
    done = max(0, min(bar, int(bar * gone / max(1.0, state.opened.window))))
    role = _window_role(left, state.opened.window)
    text.add("█" * done, role or "us").add("░" * (bar - done), "rule")
    text.add(f"  {running(gone)} gone · ").extend(_left(left, role))
    return spread(text, deadline_line(view).add(" "), width)


def _window_role(left: float, window: float) -> Role:
    if left < 0:
        return "bad"
    return "warn" if left < window / 4 else ""


def _left(left: float, role: Role) -> Line:
    return Line(f"{running(-left)} OVER", "badge-bad") if left < 0 else Line(f"{running(left)} left", role or "strong")


def _narrow(view: View, width: int) -> Line:
    opened = view.state.opened
    if opened is None:
        return Line(" connecting …", "dim").pad(width)
    target = opened.target
    left = Line(" ").extend(_environment(view, "PROD", "NOT PROD"))
    left.add(f" {target.database}", "strong").add(f"@{target.host} · {target.version}")
    if view.state.watched is not None:
        holder = view.state.watched.holder
        free = Line("nobody has it ") if view.state.watched.read_only else Line("enter takes it in hand ", "warn")
        told = Line(f"{named(holder)} has it ", "strong") if holder else free
        return spread(left, told.cut(width // 2), width)
    ends = view.state.window_ends_at
    if ends is None:
        return spread(left, Line(f"window of {duration(opened.window)}, not open ", "dim"), width)
    remaining = (ends - view.now).total_seconds()
    right = [_left(remaining, _window_role(remaining, opened.window)), deadline_line(view, brief=True)]
    return spread(left, join(right, " · ").add(" "), width)
