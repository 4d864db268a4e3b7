"""How fast a command of the progress views goes, and when its phase ends: folded from looks. Pure; seconds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile

from tui.postgres.rows import Progress

_OVER = 15.0
"""Seconds that a rate is taken over: a checkpoint's writes or a pause of the cost-based delay do not tip it."""
_ENOUGH = 3.0
"""Seconds from which on a rate is worth an estimate."""
_STILL = 5.0
"""Seconds without any progress from which on it is said."""
_STEADY = frozenset({"blocks", "rows", "bytes"})
"""What goes on all the time. Indexes or sessions take minutes each: of them no rate tells anything."""

_BTREE = (
    "building index: scanning table",
    "building index: sorting live tuples",
    "building index: loading tuples in tree",
)
_VALIDATION = (
    "waiting for writers before validation",
    "index validation: scanning index",
    "index validation: sorting tuples",
    "index validation: scanning table",
    "waiting for old snapshots",
)
_DROPPING = ("waiting for readers before marking dead", "waiting for readers before dropping")
_REWRITTEN = ("swapping relation files", "rebuilding index", "performing final cleanup")


def _building(before: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> tuple[tuple[str, ...], ...]:
    """With a btree, and with an access method that names no parts."""
    return tuple(("initializing", *before, *build, *after) for build in (_BTREE, ("building index",)))


_ROUTES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "CREATE INDEX": _building(),
    "REINDEX": _building(),
    "CREATE INDEX CONCURRENTLY": _building(("waiting for writers before build",), _VALIDATION),
    "REINDEX CONCURRENTLY": _building(("waiting for writers before build",), (*_VALIDATION, *_DROPPING)),
    "CLUSTER": (
        ("initializing", "index scanning heap", *_REWRITTEN),
        ("initializing", "seq scanning heap", "sorting tuples", "writing new heap", *_REWRITTEN),
    ),
    "VACUUM FULL": (("initializing", "seq scanning heap", *_REWRITTEN),),
    "VACUUM": (
        (
            "initializing",
            "scanning heap",
            "vacuuming indexes",
            "vacuuming heap",
            "cleaning up indexes",
            "truncating heap",
            "performing final cleanup",
        ),
    ),
    "ANALYZE": (
        (
            "initializing",
            "acquiring sample rows",
            "computing statistics",
            "computing extended statistics",
            "finalizing analyze",
        ),
    ),
    "BASE BACKUP": (
        (
            "initializing",
            "waiting for checkpoint to finish",
            "estimating backup size",
            "streaming database files",
            "waiting for wal archiving to finish",
            "transferring wal files",
        ),
    ),
}
"""The orders in which a command goes through its phases: PostgreSQL's documentation, Progress Reporting; the parts of
a btree's building are nbtutils.c's. A phase with nothing to do is left out."""
_SAME = {
    "building index: initializing": "building index: scanning table",
    "building index: sorting dead tuples": "building index: sorting live tuples",
    "acquiring inherited sample rows": "acquiring sample rows",
}
"""Where one of two comes, or both as one."""


def percent(progress: Progress) -> float | None:
    """How much of its phase is done, from 0 to 100; None where the server does not count it."""
    if progress.done is None or progress.total is None or progress.total <= 0:
        return None
    return min(100.0, max(0.0, 100.0 * progress.done / progress.total))


def in_phases(progress: Progress) -> bool:
    """The command goes through phases of which each is counted anew: COPY does not."""
    return progress.command in _ROUTES


@dataclass(frozen=True, slots=True)
class Pace:
    """What one session's command has done in its present phase while it was looked at.

    ``since``: when it was first seen in this phase. ``moved``: when its count was last seen to change. ``points``: the
    counts of the last seconds, by time. ``routes``: the orders of phases that fit all that was seen of it.
    """

    progress: Progress
    since: datetime
    moved: datetime
    points: tuple[tuple[datetime, int], ...]
    routes: tuple[tuple[str, ...], ...] = ()

    @property
    def seconds(self) -> float:
        """How long it has been seen in this phase."""
        return self._seconds(self.since)

    @property
    def rate(self) -> float | None:
        """How much a second over the last seconds, 0 while it stands still; None where that is not known yet."""
        if len(self.points) < 2 or self.progress.unit not in _STEADY:
            return None
        (then, was), (now, done) = self.points[0], self.points[-1]
        over = (now - then).total_seconds()
        return (done - was) / over if over >= _ENOUGH else None

    @property
    def left(self) -> float | None:
        """Seconds until this phase has done what it counts, at the present rate; None where nobody can tell."""
        rate, done, total = self.rate, self.progress.done, self.progress.total
        if not rate or done is None or total is None or done >= total or self.still is not None:
            return None
        return (total - done) / rate

    @property
    def still(self) -> float | None:
        """Seconds without any progress where there should be some; None where it goes on, or is at its end."""
        done, total = self.progress.done, self.progress.total
        if done is None or self.progress.unit not in _STEADY or (total is not None and done >= total):
            return None
        seconds = self._seconds(self.moved)
        return seconds if seconds >= _STILL else None

    @property
    def number(self) -> int | None:
        """Which of its phases this is, from 1; None where its order cannot be told."""
        numbers = {route.index(_named(self.progress)) + 1 for route in self.routes}
        return numbers.pop() if len(numbers) == 1 else None

    @property
    def of(self) -> int | None:
        """How many phases there are; None where that cannot be told yet."""
        lengths = {len(route) for route in self.routes}
        return lengths.pop() if len(lengths) == 1 else None

    def _seconds(self, moment: datetime) -> float:
        return max(0.0, (self.points[-1][0] - moment).total_seconds())


def paces(before: Mapping[int, Pace], at: datetime, seen: Iterable[Progress]) -> dict[int, Pace]:
    """By pid, what is known once this was seen at ``at``; sessions that are not seen any more are forgotten."""
    return {progress.pid: _next(before.get(progress.pid), at, progress) for progress in seen}


def _next(before: Pace | None, at: datetime, progress: Progress) -> Pace:
    done = progress.done or 0
    routes = _routes(before, progress)
    if before is None or _task(before.progress) != _task(progress) or at <= before.points[-1][0]:
        return Pace(progress, at, at, ((at, done),), routes)
    if done < before.points[-1][1]:
        # It counts anew: another child table, or a second round.
        return Pace(progress, before.since, at, ((at, done),), routes)
    points = (*before.points, (at, done))
    # The first of those that are kept is as old as the rate is to be.
    kept = tuple(dropwhile(lambda point: (at - point[0]).total_seconds() > _OVER, points))
    moved = at if done > before.points[-1][1] else before.moved
    return Pace(progress, before.since, moved, kept, routes)


def _task(progress: Progress) -> tuple[str, str, str, str, str]:
    return (progress.command, progress.relation, progress.part, progress.phase, progress.unit)


def _routes(before: Pace | None, progress: Progress) -> tuple[tuple[str, ...], ...]:
    """The orders that are still possible; all of them again where what was seen fits none, or another index begins."""
    known, named = _ROUTES.get(progress.command, ()), _named(progress)
    narrowed: tuple[tuple[str, ...], ...] = ()
    if before is not None and named != "initializing" and _on(before.progress) == _on(progress):
        narrowed = tuple(route for route in before.routes if named in route)
    return narrowed or tuple(route for route in known if named in route)


def _on(progress: Progress) -> tuple[str, str]:
    return (progress.command, progress.relation)


def _named(progress: Progress) -> str:
    return _SAME.get(progress.phase, progress.phase)
