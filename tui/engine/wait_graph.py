"""Who waits for whom, from one look: pg_blocking_pids gives the edges, pg_locks what they are about.

A queue of n that all exclude each other has n²/2 edges: sets are compared as wholes, and ways through the graph are
looked for along ``nearest``, which has n.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from heapq import heappop, heappush
from itertools import pairwise

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

    ``blocked_by``: by waiter, its blockers; ``nearest``: of those as many as lead to all; ``wanted``: by waiter, the
    lock it waits for, as far as pg_locks shows it.
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
        self._on: dict[object, list[tuple[Key, Lock]]] = defaultdict(list)
        for lock in locks:
            holder: Key = lock.virtualtransaction if lock.pid is None else self._fold(lock.pid)
            self.locks[holder].append(lock)
            self._on[lock.tag].append((holder, lock))
        self._who: dict[tuple[object, str], tuple[set[Key], set[Key]]] = {}

        self.wanted: dict[Key, Lock] = {}
        self.blocked_by: dict[Key, frozenset[Key]] = {}
        for pid in sorted(blocking):
            waiter = self._fold(pid)
            if waiter in own:
                continue
            wanted = self._wanted_by(waiter)
            if wanted is not None:
                self.wanted[waiter] = wanted
            before: frozenset[Key] = frozenset(blocking[pid])
            if not self._leader.keys().isdisjoint(before):
                before = frozenset(map(self._fold, blocking[pid]))
            if 0 in before:
                before = (before - {0}) | self._prepared_before(waiter)
            if waiter in self.blocked_by:
                before |= self.blocked_by[waiter]
            if waiter in before or not before.isdisjoint(own):
                before = before.difference(own, (waiter,))
            if before:
                self.blocked_by[waiter] = before
        self._wanting: dict[object, dict[str, set[Key]]] = defaultdict(lambda: defaultdict(set))
        for key in self.blocked_by:
            if (wanted := self.wanted.get(key)) is not None:
                self._wanting[wanted.tag][wanted.mode].add(key)
        self._ahead = self._queues()
        self.nearest: dict[Key, AbstractSet[Key]] = {
            waiter: {self._ahead[waiter]} if waiter in self._ahead else before
            for waiter, before in self.blocked_by.items()
        }
        self._behind_nearest: dict[Key, list[Key]] = defaultdict(list)
        for key in sorted(self.nearest, key=order):
            for blocker in self.nearest[key]:
                self._behind_nearest[blocker].append(key)

    def soft(self, waiter: Key, blocker: Key) -> bool:
        """The blocker does not hold what the waiter wants, it only stands before it in the queue.

        An edge about which pg_locks says nothing counts as hard.
        """
        lock = self.wanted.get(waiter)
        if lock is None:
            return False
        there, holders = self._there(lock)
        return blocker in there and blocker not in holders

    def before_in_queue(self, waiter: Key) -> AbstractSet[Key]:
        """Of whom it waits for, those that do not hold what it wants."""
        lock = self.wanted.get(waiter)
        if lock is None:
            return frozenset()
        there, holders = self._there(lock)
        return (self.blocked_by.get(waiter, frozenset()) & there) - holders

    def holders(self, waiter: Key) -> AbstractSet[Key]:
        """Of whom it waits for, those that are seen to hold what it wants."""
        lock = self.wanted.get(waiter)
        return frozenset() if lock is None else self._there(lock)[1] & self.blocked_by.get(waiter, frozenset())

    def blockers(self, waiter: Key) -> list[Key]:
        """Whom this one waits for: first those who hold, then those before it in the queue.

        Of either first those that wait for nobody themselves, the longest transaction before the others.
        """
        soft = self.before_in_queue(waiter)

        def rank(key: Key) -> tuple[bool, bool, float, tuple[int, int, str]]:
            session = self.sessions.get(key)
            age = session.transaction_seconds if session is not None else None
            return (key in soft, key in self.blocked_by, -(age or 0.0), order(key))

        return sorted(self.blocked_by.get(waiter, ()), key=rank)

    def above(self, key: Key) -> set[Key]:
        """Everybody who keeps this one waiting, directly or not."""
        found: set[Key] = set()
        ahead = [key]
        while ahead:
            new = self.nearest.get(ahead.pop(), frozenset()) - found
            found |= new
            ahead.extend(new)
        return found

    def distances(self, key: Key) -> dict[Key, int]:
        """How many waits lie between this one and each one below, by the shortest way."""
        distance: dict[Key, int] = {key: 0}
        ahead = deque([key])
        while ahead:
            reached = ahead.popleft()
            for waiter in self._behind_nearest.get(reached, ()):
                # Who stands right behind another one waits for all that this one waits for: it is as near.
                beside = self._ahead.get(waiter) == reached != key
                far = distance[reached] + (not beside)
                if far < distance.get(waiter, far + 1):
                    distance[waiter] = far
                    (ahead.appendleft if beside else ahead.append)(waiter)
        return distance

    @cached_property
    def circles(self) -> dict[Key, frozenset[Key]]:
        """By each one that waits in a circle, all who wait in a circle with it; circles that share one are one."""
        among = self._in_circles()
        found: dict[Key, frozenset[Key]] = {}
        for key in sorted(among, key=order):
            if key not in found and key in (above := self.above(key)):
                mates = frozenset(above & among & self.distances(key).keys())
                found.update(dict.fromkeys(mates, mates))
        return found

    def _in_circles(self) -> set[Key]:
        """All who wait in a circle, and who stands between two: neither a chain's upper end nor its lower one."""
        open_ends = {waiter: sum(b in self.nearest for b in before) for waiter, before in self.nearest.items()}
        free = [waiter for waiter, count in open_ends.items() if not count]
        while free:
            waiter = free.pop()
            del open_ends[waiter]
            for behind in self._behind_nearest.get(waiter, ()):
                open_ends[behind] -= 1
                if not open_ends[behind]:
                    free.append(behind)
        waited_for = {key: sum(w in open_ends for w in self._behind_nearest.get(key, ())) for key in open_ends}
        free = [key for key, count in waited_for.items() if not count]
        while free:
            key = free.pop()
            del waited_for[key]
            for before in self.nearest[key] & waited_for.keys():
                waited_for[before] -= 1
                if not waited_for[before]:
                    free.append(before)
        return set(waited_for)

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
        found: dict[Key, float] = {key: float("inf") if longest is None else longest}
        waits = {waiter: self.wait(waiter)[0] or 0.0 for waiter in self.blocked_by}
        heap = [(-found[key], order(key), key)]
        while heap:
            negative, _, reached = heappop(heap)
            seconds = found[reached]
            if seconds > -negative:
                continue
            for waiter in self._behind_nearest.get(reached, ()):
                lock = self.wanted.get(waiter)
                # An advisory lock may be the session's: it is older than the transaction then.
                held_before = reached == key and lock is not None and lock.locktype == "advisory"
                since = waits[waiter] if held_before else min(seconds, waits[waiter])
                if since > found.get(waiter, -1.0):
                    found[waiter] = since
                    heappush(heap, (-since, order(waiter), waiter))
        del found[key]
        return found

    def transaction(self, key: Key) -> str:
        """The transaction id that this one is seen to hold, or nothing."""
        own = (lock.detail for lock in self.locks.get(key, ()) if lock.granted and lock.locktype == "transactionid")
        return next(own, "")

    def contested(self, key: Key) -> list[Lock]:
        """What this one holds and others wait for, the strongest first."""
        found = [
            lock
            for lock in self.locks.get(key, ())
            # Who wants more of what it holds does not wait for itself.
            if lock.granted
            and lock.tag in self._wanting
            and any(conflict(lock.mode, mode) and keys != {key} for mode, keys in self._wanting[lock.tag].items())
        ]
        return sorted(found, key=lambda lock: (-strength(lock.mode), lock.relation, lock.detail))

    def _queues(self) -> dict[Key, Key]:
        """By waiter, the one right before it in a queue of its own kind, whose blockers are then its own, too.

        Only where that one has waited at least as long: a wait counts by the shortest along a chain.
        """
        kinds: dict[tuple[object, str], list[Key]] = defaultdict(list)
        for waiter in self.blocked_by:
            if (wanted := self.wanted.get(waiter)) is not None:
                kinds[wanted.tag, wanted.mode].append(waiter)
        ahead: dict[Key, Key] = {}
        for queue in kinds.values():
            queue.sort(key=lambda waiter: len(self.blocked_by[waiter]))
            for first, second in pairwise(queue):
                longer, shorter = self.blocked_by[second], self.blocked_by[first]
                next_one = len(longer) == len(shorter) + 1 and first in longer and shorter < longer
                if next_one and (self.wait(first)[0] or 0.0) >= (self.wait(second)[0] or 0.0):
                    ahead[second] = first
        return ahead

    def _fold(self, pid: int) -> int:
        return self._leader.get(pid, pid)

    def _wanted_by(self, waiter: Key) -> Lock | None:
        waits = [lock for lock in self.locks.get(waiter, ()) if not lock.granted]
        return min(waits, key=lambda lock: (-(lock.wait_seconds or 0.0), repr(lock.tag), lock.mode), default=None)

    def _prepared_before(self, waiter: Key) -> set[Key]:
        lock = self.wanted.get(waiter)
        holders = self._there(lock)[1] if lock is not None else set()
        return {key for key in holders if isinstance(key, str)} or {PREPARED}

    def _there(self, wanted: Lock) -> tuple[set[Key], set[Key]]:
        """Everybody on the lock that is wanted, and those who hold it in a mode that conflicts."""
        tag = wanted.tag
        known = self._who.get((tag, wanted.mode))
        if known is None:
            on = self._on[tag]
            holders = {key for key, lock in on if lock.granted and conflict(lock.mode, wanted.mode)}
            known = self._who[tag, wanted.mode] = {key for key, _ in on}, holders
        return known
