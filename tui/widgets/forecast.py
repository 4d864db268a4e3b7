"""What a step will lock, who is in the way of that now, and whether what it locks was foreseen."""

from typing import Literal

from tui.engine.lock_words import mode_in_words, strength
from tui.engine.proof import ForeseenLock, StepForecast, TableSize
from tui.engine.sample import InTheWay
from tui.engine.state import ScriptState, StepState, StepStatus
from tui.postgres.rows import Lock

from .line import Line, Role, fold, spread, wrap
from .view import View
from .words import about, counted, duration, listed, size

_STRONG = strength("ShareUpdateExclusiveLock")
"""Weaker locks stand in nobody's way but that of DDL."""
_LASTING = 1.0
"""Seconds from which on a transaction is worth a warning: a shorter one is over before anybody has read of it."""
_FIRST_OF_USERS = 16384
"""Oids below belong to the catalog: FirstNormalObjectId, access/transam.h of PostgreSQL."""
_NOT_THEIRS = ("pg_toast", "pg_temp_", "information_schema.", "lockstep.")
_MOST = 4

Judged = Literal["as rehearsed", "as foreseen by rule", "not foreseen", ""]


def forecast_of(view: View, step_id: str) -> StepForecast | None:
    """What is known beforehand of this step."""
    told = view.state.forecast
    return next((one for one in told.steps if one.step == step_id), None) if told is not None else None


def size_words(table: TableSize | None) -> str:
    """``1.2 GB, 300 k rows``; nothing where it is not known."""
    if table is None:
        return ""
    return size(table.bytes) + (f", {about(table.rows, 'row')}" if table.rows is not None else "")


# Before it runs


def forecast_lines(view: View, step: StepState, width: int) -> list[Line]:
    """The locks of a step that is to come, with the sizes of their tables, and its work."""
    forecast = forecast_of(view, step.plan.id)
    if forecast is None or step.status is StepStatus.APPLIED:
        return []
    lines = [_head(forecast).cut(width)]
    strong = [lock for lock in forecast.locks if strength(lock.mode) >= _STRONG]
    tables = [lock for lock in strong if _is_table(lock)]
    for lock in tables:
        lines += _lock(lock, forecast, width)
    others: dict[str, list[str]] = {}
    for lock in strong:
        if lock not in tables:
            others.setdefault(lock.mode, []).append(lock.relation)
    for mode, names in others.items():
        lines += wrap(f"{mode_in_words(mode)} on {listed(tuple(names), 3)}", width - 1, "dim", indent="   ")
    weaker = len(forecast.locks) - len(strong)
    if weaker and strong:
        lines.append(Line(f"   and weaker ones on {counted(weaker, 'relation')}", "dim"))
    if not strong:
        lines.append(_nothing(forecast))
    for verb, relations in (("rewrites", forecast.rewrites), ("reads all of", forecast.scans)):
        if relations:
            role: Role = "warn" if verb == "rewrites" else ""
            lines += wrap(f"{verb} {listed(relations, 8)}", width - 1, role, indent="   ")
    role = "dim" if forecast.source == "rehearsed" else "warn"
    for caveat in forecast.caveats:
        lines += wrap(f"! {caveat}", width - 1, role, indent="   ", limit=4)
    return lines


def _head(forecast: StepForecast) -> Line:
    if forecast.source == "rules":
        return Line(" will lock ").add("by rule, never rehearsed", "warn")
    line = Line(" will lock ").add("as rehearsed", "good")
    if forecast.seconds is not None:
        line.add(f", held {duration(forecast.seconds)} there")
    return line.add("; stale: scripts have changed", "warn") if forecast.stale else line


def _is_table(lock: ForeseenLock) -> bool:
    """Rows are known of tables alone; indexes, views and sequences are told by name."""
    return any(table is not None and table.rows is not None for table in (lock.here, lock.there))


def _lock(lock: ForeseenLock, forecast: StepForecast, width: int) -> list[Line]:
    line = Line("   ").add(mode_in_words(lock.mode), "strong").add(f" on {lock.relation}   ")
    here, there = size_words(lock.here), size_words(lock.there)
    told = [f"{here} here"] if here else []
    if forecast.source == "rehearsed" and there:
        told.append(f"{there} in rehearsal")
    sizes = "; ".join(told)
    if line.cells + len(sizes) <= width:
        return [line.add(sizes, "dim")]
    head = [line] if line.cells <= width else fold(line, width, "     ")
    return [*head, *wrap(sizes, width - 1, "dim", indent="       ")]


def _nothing(forecast: StepForecast) -> Line:
    if forecast.source == "rules" and forecast.caveats:
        return Line("   not known: the rules do not know all of its statements", "warn")
    return Line("   nothing that stands in anybody's way")


def next_step(view: View) -> str | None:
    """The step of whose locks is told now who is in their way."""
    act = view.state.next_act()
    if act.kind == "open_window":
        return next((s.plan.id for s in view.state.steps if s.status is not StepStatus.APPLIED), None)
    return act.step if act.kind == "run_step" else None


def in_the_way_lines(view: View, width: int) -> list[Line]:
    """Behind whom the step to come would queue, where they are there for longer than a moment."""
    step = next_step(view)
    if view.sample is None or step is None:
        return []
    first: dict[object, InTheWay] = {}
    for one in view.sample.in_the_way:
        if _lasts(one):
            first.setdefault(one.pid or one, one)
    lines: list[Line] = []
    for one in list(first.values())[:_MOST]:
        text = f"{step} wants {mode_in_words(one.wants)} on {one.relation}; would queue behind {_who(one)}"
        if lines:
            text = f"also behind {_who(one)}, on {one.relation}"
        head, *rest = wrap(text, width - 4, "warn", limit=4)
        lines += [Line(" ").add("◷ ", "warn").extend(head), *(Line("   ").extend(row) for row in rest)]
    if len(first) > _MOST:
        lines.append(Line(f"   and behind {counted(len(first) - _MOST, 'more session')}", "warn"))
    return lines


def calm_lines(view: View, step_id: str, width: int) -> list[Line]:
    """That nobody, or nobody who lasts, is in the way of the step to come."""
    forecast, sample = forecast_of(view, step_id), view.sample
    if forecast is None or sample is None or view.blind is not None or next_step(view) != step_id:
        return []
    strong = any(strength(lock.mode) >= _STRONG for lock in forecast.locks)
    if not strong or any(_lasts(one) for one in sample.in_the_way):
        return []
    text = "nobody is in the way of that now"
    if sample.in_the_way:
        text = f"in the way of that now: only transactions of less than {_LASTING:g} s"
    return [Line(f"   {text}", "dim").cut(width)]


def _lasts(one: InTheWay) -> bool:
    seconds = one.session.transaction_seconds if one.session is not None else None
    return seconds is None or seconds >= _LASTING


def _who(one: InTheWay) -> str:
    session = one.session
    if one.pid is None:
        return "a prepared transaction"
    if session is None:
        return f"session {one.pid}"
    name = session.application_name or session.user or session.backend_type
    words = f"{one.pid} ({name}), {session.state or session.backend_type}"
    return f"{words} {duration(session.transaction_seconds)}" if session.transaction_seconds is not None else words


# While it runs


class Foreseen:
    """What was foreseen of the script in hand, and which tables were there before it: looked up for each lock."""

    def __init__(self, view: View) -> None:
        script, before = view.script, view.state.before
        forecast = forecast_of(view, script.started.script) if script is not None else None
        self.known = {lock.relation: lock for lock in reversed(forecast.locks)} if forecast is not None else {}
        # What a way back locks was not looked at.
        forward = script is not None and script.started.direction == "forward"
        self._source = forecast.source if forecast is not None and forward else None
        self._tables: set[int] | None = None
        if before is not None and before.tables:
            made = (one.oid for told in view.state.made for one in told.made if not one.column)
            self._tables = {*(oid for oid, _ in before.tables), *made}

    def judge(self, lock: Lock) -> Judged:
        """Whether this lock of ours was foreseen; nothing of a way back, and of what is no table of theirs."""
        catalog = lock.relation_oid is not None and lock.relation_oid < _FIRST_OF_USERS
        if self._source is None or lock.locktype != "relation" or catalog or lock.relation.startswith(_NOT_THEIRS):
            return ""
        known = self.known.get(lock.relation)
        if known is not None and strength(lock.mode) <= strength(known.mode):
            return "as rehearsed" if self._source == "rehearsed" else "as foreseen by rule"
        # Indexes and what the step makes itself are no tables that were there before it.
        theirs = known is not None and _is_table(known) if self._tables is None else lock.relation_oid in self._tables
        return "not foreseen" if theirs else ""


def lock_lines(view: View, script: ScriptState, width: int) -> list[Line]:
    """The lock that it waits for, with the table's size, and every lock that was not foreseen."""
    sample = view.sample
    if sample is None or script.phase == "backoff":
        return []
    lines, foreseen = [], Foreseen(view)
    wanted = next((lock for lock in sample.our_locks if not lock.granted and lock.locktype == "relation"), None)
    if view.lock_wait is not None and sample.tree.our_wants:
        left = Line("   wants ", "warn").add(sample.tree.our_wants, "strong")
        lines.append(_told(left, foreseen, wanted, width))
    held = [lock for lock in sample.our_locks if lock.granted and foreseen.judge(lock) == "not foreseen"]
    strongest = {lock.relation: lock for lock in sorted(held, key=lambda lock: strength(lock.mode))}
    unforeseen = sorted(strongest.values(), key=lambda lock: (-strength(lock.mode), lock.relation))
    for lock in unforeseen[:_MOST]:
        left = Line("   ! holds ", "warn").add(f"{mode_in_words(lock.mode)} on {lock.relation}", "strong")
        lines.append(_told(left, foreseen, lock, width))
    if len(unforeseen) > _MOST:
        lines.append(Line(f"   ! {len(unforeseen) - _MOST} more locks were not foreseen", "warn"))
    return lines


def _told(left: Line, foreseen: Foreseen, lock: Lock | None, width: int) -> Line:
    if lock is None:
        return left.cut(width)
    known, verdict = foreseen.known.get(lock.relation), foreseen.judge(lock)
    right = Line(f"{verdict} ", "warn" if verdict == "not foreseen" else "dim") if verdict else Line()
    if known is not None and known.here is not None and _is_table(known):
        room = width - left.cells - right.cells - 5
        sizes = next((text for text in (size_words(known.here), size(known.here.bytes)) if len(text) <= room), "")
        left.add(f" ({sizes})" if sizes else "", "dim")
    return spread(left, right, width)
