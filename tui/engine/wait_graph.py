"""Who waits for whom, from one look: pg_blocking_pids gives the edges, pg_locks what they are about."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from heapq import heappop, heappush

from tui.postgres.rows import Lock, Session

from .lock_words import conflict, strength

Key = int | str
"""A session by its pid, or a prepared transaction by its virtual transaction (``3/42``)."""

PREPARED = "prepared"
"""A prepared transaction of which pg_locks shows nothing."""


def order(key: Key) -> tuple[int, int, str]:
    """A sort key: sessions by pid, then prepared transactions."""
    return (0, key, "") if isinstance(key, int) else (1, 0, key)


class WaitGraph:
    """The waits of one look. Parallel workers are their leader; sessions in ``own`` do not count.

    ``blocked_by``: by waiter, its blockers, each with whether it is *soft*: the blocker does not hold what the waiter
    wants, it only stands before it in the queue. An edge about which pg_locks says nothing counts as hard.
    """

    def __init__(
        self,
        sessions: Iterable[Session],
        locks: Iterable[Lock],
        blocking: Mapping[int, tuple[int, ...]],
        own: Collection[int] = (),
    ) -> None:
        self.sessions: dict[Key, Session] = {}
        self._leader: dict[int, int] = {}
        for session in sessions:
            if session.leader_pid is not None and session.backend_type == "parallel worker":
                self._leader[session.pid] = session.leader_pid
            else:
                self.sessions[session.pid] = session
        self.locks: dict[Key, list[Lock]] = defaultdict(list)
        self._by_tag: dict[tuple[Key, object], list[Lock]] = defaultdict(list)
        self._prepared: dict[object, list[Lock]] = defaultdict(list)
        for lock in locks:
            key = self._holder(lock)
            self.locks[key].append(lock)
            self._by_tag[key, lock.tag].append(lock)
            if lock.pid is None:
                self._prepared[lock.tag].append(lock)

        self.wanted: dict[Key, Lock] = {}
        self.blocked_by: dict[Key, dict[Key, bool]] = {}
        for pid in sorted(blocking):
            waiter = self._fold(pid)
            if waiter in own:
                continue
            wanted = self._wanted_by(waiter)
            if wanted is not None:
                self.wanted[waiter] = wanted
            edges = self.blocked_by.get(waiter, {})
            for blocker in blocking[pid]:
                named: list[Key] = [self._fold(blocker)] if blocker else self._prepared_before(waiter)
                for before in named:
                    if before != waiter and before not in own:
                        edges[before] = self._soft(waiter, before)
            if edges:
                self.blocked_by[waiter] = edges
        self.blocks: dict[Key, list[Key]] = defaultdict(list)
        for blocked in sorted(self.blocked_by, key=order):
            for key in self.blocked_by[blocked]:
                self.blocks[key].append(blocked)

    def above(self, key: Key) -> set[Key]:
        """Everybody who keeps this one waiting, directly or not."""
        found: set[Key] = set()
        ahead = [key]
        while ahead:
            for blocker in self.blocked_by.get(ahead.pop(), {}):
                if blocker not in found:
                    found.add(blocker)
                    ahead.append(blocker)
        return found

    def wait(self, key: Key) -> tuple[float | None, bool]:
        """How long this one has waited, in seconds, and whether that is approximate."""
        lock = self.wanted.get(key)
        if lock is not None:
            # waitstart is set right after the wait began (ProcSleep, PostgreSQL 14): without it, it just began.
            return (0.0, True) if lock.wait_seconds is None else (lock.wait_seconds, False)
        session = self.sessions.get(key)
        return (session.state_seconds if session else None, True)

    def behind(self, key: Key) -> dict[Key, float]:
        """How long each session below has waited because of this one, in seconds.

        Somebody who waited for X long before X had to wait for us has waited for us only since then: along a chain
        the shortest wait counts, of several chains the longest.
        """
        session = self.sessions.get(key)
        longest = session.transaction_seconds if session else None
        found: dict[Key, float] = {}
        heap = [(-float("inf") if longest is None else -longest, order(key), key)]
        while heap:
            seconds, _, reached = heappop(heap)
            if reached in found:
                continue
            found[reached] = -seconds
            for waiter in self.blocks.get(reached, ()):
                if waiter not in found:
                    heappush(heap, (-min(-seconds, self.wait(waiter)[0] or 0.0), order(waiter), waiter))
        del found[key]
        return found

    def transaction(self, key: Key) -> str:
        """The transaction id that this one is seen to hold, or nothing."""
        own = (lock.detail for lock in self.locks.get(key, ()) if lock.granted and lock.locktype == "transactionid")
        return next(own, "")

    def contested(self, key: Key) -> list[Lock]:
        """What this one holds and others wait for, the strongest first."""
        wants = {(lock.tag, lock.mode) for w in self.blocks.get(key, ()) if (lock := self.wanted.get(w)) is not None}
        tags = {tag: [m for t, m in wants if t == tag] for tag, _ in wants}
        found = [
            lock
            for lock in self.locks.get(key, ())
            if lock.granted and any(conflict(lock.mode, mode) for mode in tags.get(lock.tag, ()))
        ]
        return sorted(found, key=lambda lock: (-strength(lock.mode), lock.relation, lock.detail))

    def _holder(self, lock: Lock) -> Key:
        return lock.virtualtransaction if lock.pid is None else self._fold(lock.pid)

    def _fold(self, pid: int) -> int:
        return self._leader.get(pid, pid)

    def _wanted_by(self, waiter: Key) -> Lock | None:
        waits = [lock for lock in self.locks.get(waiter, ()) if not lock.granted]
        return min(waits, key=lambda lock: (-(lock.wait_seconds or 0.0), repr(lock.tag), lock.mode), default=None)

    def _prepared_before(self, waiter: Key) -> list[Key]:
        lock = self.wanted.get(waiter)
        holders = {
            other.virtualtransaction
            for other in (self._prepared.get(lock.tag, ()) if lock else ())
            if lock and conflict(other.mode, lock.mode)
        }
        return sorted(holders) or [PREPARED]

    def _soft(self, waiter: Key, blocker: Key) -> bool:
        lock = self.wanted.get(waiter)
        if lock is None:
            return False
        there = self._by_tag.get((blocker, lock.tag), ())
        return bool(there) and not any(other.granted and conflict(other.mode, lock.mode) for other in there)
