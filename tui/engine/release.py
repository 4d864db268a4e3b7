"""What the end of a session brings those who wait for it: who gets the lock, who comes nearer, who waits on. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiter:
    """Somebody who waits for a lock. ``seconds``: since when; None where the server does not tell (yet).

    ``blocked_by``: whom pg_blocking_pids names, 0 for a prepared transaction.
    """

    pid: int
    name: str
    seconds: float | None
    blocked_by: frozenset[int]


@dataclass(frozen=True, slots=True)
class Release:
    """Everybody who waits for a session, directly or not, the longest wait first.

    ``at_once``: who waits for it alone: the lock is theirs. ``later``: who then waits only for those, or for others
    behind them: they come nearer. ``still``: who goes on waiting for somebody whom this end does not move; those at
    the head of such chains are ``others``, by pid and name.
    """

    at_once: tuple[Waiter, ...] = ()
    later: tuple[Waiter, ...] = ()
    still: tuple[Waiter, ...] = ()
    others: tuple[tuple[int, str], ...] = ()

    def moved(self, pid: int | None) -> str:
        """Where this session stands: ``at once``, ``later``, ``still``, or nothing where it does not wait for it."""
        groups = (("at once", self.at_once), ("later", self.later), ("still", self.still))
        return next((name for name, group in groups if any(waiter.pid == pid for waiter in group)), "")


def release(pid: int, waiters: Iterable[Waiter], names: Mapping[int, str]) -> Release:
    """What the end of ``pid`` brings. A lock is given to a waiter when nobody blocks it any more, be it by holding
    the lock or by standing before it in the queue with a conflicting request: pg_blocking_pids names both.
    """
    waiting = {waiter.pid: waiter for waiter in waiters if waiter.pid != pid}
    behind = _behind(pid, waiting)
    known = behind | {pid}
    held_up = {w for w in behind if not waiting[w].blocked_by <= known}
    _spread(held_up, behind, waiting)
    at_once = {w for w in behind if waiting[w].blocked_by == {pid}}
    others = _heads({b for w in held_up for b in waiting[w].blocked_by - known}, waiting, pid)
    return Release(
        _ranked(waiting, at_once),
        _ranked(waiting, behind - at_once - held_up),
        _ranked(waiting, held_up),
        tuple((other, names.get(other, "")) for other in sorted(others)),
    )


def _behind(pid: int, waiting: Mapping[int, Waiter]) -> set[int]:
    found: set[int] = set()
    reached = {pid}
    left = set(waiting)
    while reached:
        reached = {w for w in left if not waiting[w].blocked_by.isdisjoint(reached)}
        left -= reached
        found |= reached
    return found


def _spread(held_up: set[int], behind: Collection[int], waiting: Mapping[int, Waiter]) -> None:
    """Who waits for one that is held up is held up, too."""
    reached, left = set(held_up), set(behind) - held_up
    while reached:
        reached = {w for w in left if not waiting[w].blocked_by.isdisjoint(reached)}
        left -= reached
        held_up |= reached


def _heads(others: set[int], waiting: Mapping[int, Waiter], pid: int) -> set[int]:
    """Those at the top over these: who waits for nobody; where they wait in a circle, they themselves."""
    found: set[int] = set()
    ahead, seen = list(others), set(others)
    while ahead:
        other = ahead.pop()
        above = (waiting[other].blocked_by if other in waiting else frozenset()) - {pid}
        if not above:
            found.add(other)
        ahead.extend(above - seen)
        seen |= above
    return found or others


def _ranked(waiting: Mapping[int, Waiter], pids: Iterable[int]) -> tuple[Waiter, ...]:
    return tuple(sorted((waiting[pid] for pid in pids), key=lambda waiter: (-(waiter.seconds or 0.0), waiter.pid)))
