"""Looks at the server again and again, and hands on what it saw."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from tui.postgres.monitor import Monitor
from tui.postgres.rows import Look, Session
from tui.postgres.session import CannotConnect, Dsn

from .lock_words import conflict
from .locks import build_tree
from .pooler import MEND
from .proof import ForeseenLock
from .sample import InTheWay, Sample

BUSY_INTERVAL = 0.25
IDLE_INTERVAL = 1.0
_BREATH = 0.05
"""Seconds that are left between two looks even where one took longer than the interval."""
_RATE_OVER = 1.0
"""Seconds that a rate is taken over at least: backends report their transactions once a second."""


def _nobody() -> frozenset[int]:
    return frozenset()


def _nothing() -> tuple[ForeseenLock, ...]:
    return ()


def _none() -> None:
    return None


class Sampler:
    """Samples one server, one look at a time: every 250 ms while ``busy()``, else every second.

    ``our_pid`` gives the runner's backend, if there is one; its locks are read while ``busy()``. ``looked_at`` gives a
    session that the operator looks at closely, all of whose locks are read. ``own_pids`` gives further sessions of
    ours, which must not count as blocked or blocking. ``foreseen`` gives the locks that are about
    to be taken, for which it is looked who is in the way. ``on_sample`` is called on the loop.
    """

    def __init__(
        self,
        dsn: Dsn,
        on_sample: Callable[[Sample], None],
        *,
        our_pid: Callable[[], int | None],
        busy: Callable[[], bool],
        own_pids: Callable[[], frozenset[int]] = _nobody,
        foreseen: Callable[[], tuple[ForeseenLock, ...]] = _nothing,
        looked_at: Callable[[], int | None] = _none,
    ) -> None:
        self.last: Sample | None = None
        # A run works on a primary. Its sessions being read only, the monitor would not pass for read-write.
        self._monitor = Monitor(dsn.with_(target_session_attrs="primary"))
        self._on_sample = on_sample
        self._busy = busy
        self._our_pid = our_pid
        self._own_pids = own_pids
        self._foreseen = foreseen
        self._looked_at = looked_at
        self._awake = asyncio.Event()
        self._before: deque[Look] = deque()

    @property
    def backend_pid(self) -> int | None:
        """The pid of the monitor's server process, while it is connected."""
        return self._monitor.backend_pid

    def wake(self) -> None:
        """Looks now instead of at the end of the interval: a script begins."""
        self._awake.set()

    async def connect(self) -> None:
        """Takes the monitor's connection before it is needed; whoever does so must ``close``. Raises CannotConnect."""
        look = await self._monitor.look()
        if not self._monitor.connected:
            why = "; ".join(source.why for source in look.missing)
            if "unsupported startup parameter" in why:
                why += f"; a pooler that refuses the monitor's timeouts: {MEND}"
            raise CannotConnect(f"the monitor cannot connect: {why}")

    def reconnect(self) -> None:
        """Lets go of the monitor's server, which the runner's may not be any more; the next look finds it again."""
        self._monitor.hang_up()

    async def close(self) -> None:
        """Lets go of the monitor's connection; ``run`` does so itself, but for one that was cancelled before it ran."""
        await self._monitor.close()

    async def run(self) -> None:
        """Samples until cancelled; the first sample comes at once."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                started = loop.time()
                self._awake.clear()
                sample = self._sample(await self._look())
                self.last = sample
                self._on_sample(sample)
                interval = BUSY_INTERVAL if self._busy() else IDLE_INTERVAL
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(_BREATH, started + interval - loop.time())):
                        await self._awake.wait()
        finally:
            await self._monitor.close()

    async def _look(self) -> Look:
        names = tuple(lock.relation for lock in self._foreseen())
        of = [pid for pid in (self._our_pid() if self._busy() else None, self._looked_at()) if pid is not None]
        look = asyncio.create_task(self._monitor.look(of, names))
        try:
            return await asyncio.shield(look)
        except asyncio.CancelledError:
            # A server that does not answer must not keep us: the line is cut, and the look ends by itself.
            if self._monitor.connected:
                self._monitor.hang_up()
            else:
                look.cancel()
            await asyncio.gather(look, return_exceptions=True)
            raise

    def _sample(self, look: Look) -> Sample:
        our_pid = self._our_pid()
        tree = build_tree(
            look.sessions, look.locks, look.blocking, our_pid, own=self._own_pids(), prepared=look.prepared
        )
        ours = tuple(
            lock
            for lock in look.locks
            if lock.pid == our_pid and not (lock.granted and lock.locktype in ("transactionid", "virtualxid"))
        )
        leaders = {s.pid: s.leader_pid for s in look.sessions if s.leader_pid and s.backend_type == "parallel worker"}
        blocked = {leaders.get(pid, pid) for pid in look.blocking} - self._own_pids()
        known = look.has("blocking") and look.has("waiting")
        waits = [lock.wait_seconds or 0.0 for lock in look.locks if not lock.granted and lock.pid in look.blocking]
        wal_rate, transaction_rate, rollback_rate = self._rates(look)
        lags = [r.replay_lag_seconds for r in look.replicas if r.replay_lag_seconds is not None]
        return Sample(
            at=look.at,
            cost=look.cost,
            sessions=look.sessions,
            locks=look.locks,
            our_locks=ours,
            progress=look.progress,
            replicas=look.replicas,
            counters=look.counters,
            blocked_sessions=len(blocked) if known else None,
            oldest_wait=max(waits, default=None) if known else None,
            wal_rate=wal_rate,
            transaction_rate=transaction_rate,
            replica_lag=max(lags, default=None),
            tree=tree,
            missing=look.missing,
            rollback_rate=rollback_rate,
            in_the_way=self._in_the_way(look),
        )

    def _in_the_way(self, look: Look) -> tuple[InTheWay, ...]:
        ours = {*self._own_pids(), self._our_pid()}
        wanted = {lock.relation: lock.mode for lock in self._foreseen()}
        sessions = {session.pid: session for session in look.sessions}
        found = {
            InTheWay(relation, wanted[relation], mode, pid, sessions.get(pid or 0))
            for relation, pid, mode in look.held
            if pid not in ours and relation in wanted and conflict(wanted[relation], mode)
        }
        return tuple(sorted(found, key=lambda one: (-_open_for(one.session), one.pid or 0, one.relation, one.holds)))

    def _rates(self, look: Look) -> tuple[float | None, float | None, float | None]:
        """Bytes of WAL and transactions a second, without our own, against a look at least a second before."""
        new = look.counters
        if new is None:
            # What comes after a gap is another connection's, perhaps another server's.
            self._before.clear()
            return None, None, None
        while len(self._before) > 1 and (look.at - self._before[1].at).total_seconds() >= _RATE_OVER:
            self._before.popleft()
        then = self._before[0] if self._before else None
        self._before.append(look)
        old = then.counters if then else None
        if then is None or old is None:
            return None, None, None
        seconds = (look.at - then.at).total_seconds()
        if seconds <= 0 or look.own_transactions < then.own_transactions:
            return None, None, None
        wal = None
        if new.wal_bytes is not None and old.wal_bytes is not None:
            wal = max(0.0, (new.wal_bytes - old.wal_bytes) / seconds)
        transactions = None
        if new.transactions is not None and old.transactions is not None:
            ours = look.own_transactions - then.own_transactions
            transactions = max(0.0, (new.transactions - old.transactions - ours) / seconds)
        rollbacks = None
        if new.rollbacks is not None and old.rollbacks is not None:
            rollbacks = max(0.0, (new.rollbacks - old.rollbacks) / seconds)
        return wal, transactions, rollbacks


def _open_for(session: Session | None) -> float:
    return (session.transaction_seconds or 0.0) if session is not None else 0.0
