"""Looks at the server again and again, and hands on what it saw."""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress

from tui.postgres.decode import hidden_sessions
from tui.postgres.monitor import Monitor
from tui.postgres.rows import Look, Session
from tui.postgres.session import CannotConnect, Dsn, Server

from .lock_words import conflict
from .locks import build_tree
from .pooler import MEND
from .progress import Pace, paces
from .proof import ForeseenLock
from .rates import RateMeter
from .sample import InTheWay, Sample
from .wal import Written, written

BUSY_INTERVAL = 0.25
IDLE_INTERVAL = 1.0
_BREATH = 0.05
"""Seconds that are left between two looks even where one took longer than the interval."""


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
    to be taken, for which it is looked who is in the way. ``standby``: one will do as well, unless the DSN says else.
    ``redacted``: queries come without their literals. ``on_sample`` is called on the loop.
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
        standby: bool = False,
        redacted: bool = False,
    ) -> None:
        self.last: Sample | None = None
        # A run works on a primary. Its sessions being read only, the monitor would not pass for read-write.
        attributes = _as_meant(dsn) if standby else "primary"
        self._monitor = Monitor(dsn.with_(target_session_attrs=attributes), redacted=redacted)
        self._on_sample = on_sample
        self._busy = busy
        self._our_pid = our_pid
        self._own_pids = own_pids
        self._foreseen = foreseen
        self._looked_at = looked_at
        self._closely: int | None = None
        self._awake = asyncio.Event()
        self._rates = RateMeter()
        self._paces: dict[int, Pace] = {}
        self._written: Written | None = None

    @property
    def backend_pid(self) -> int | None:
        """The pid of the monitor's server process, while it is connected."""
        return self._monitor.backend_pid

    @property
    def server(self) -> Server | None:
        """Whom the monitor is connected to, or was last."""
        return self._monitor.server

    def pinned(self, dsn: Dsn) -> Dsn:
        """The same DSN for the very server that is looked at, where it names several."""
        return self._monitor.pinned(dsn)

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
        due = loop.time()
        try:
            while True:
                self._awake.clear()
                # The tree of a thousand waits takes longer than a key may wait for its frame.
                self.last = sample = await asyncio.to_thread(self._sample, await self._look())
                self._on_sample(sample)
                # By the clock: what each look is late by must not add up to looks that are missing.
                due = max(due + self._interval, loop.time() + _BREATH)
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._awake.wait()
                    due = loop.time()
        finally:
            await self._monitor.close()

    async def keep_running(self) -> None:
        """Runs until cancelled: the guard is blind without samples, so a fault in who listens is told, and no more."""
        while True:
            try:
                await self.run()
            except Exception as fault:
                told = {"message": "the sampler stopped and is started again", "exception": fault}
                asyncio.get_running_loop().call_exception_handler(told)
                await asyncio.sleep(1)

    @property
    def _interval(self) -> float:
        return BUSY_INTERVAL if self._busy() else IDLE_INTERVAL

    async def _look(self) -> Look:
        names = tuple(lock.relation for lock in self._foreseen())
        self._closely = self._looked_at()
        of = [pid for pid in (self._our_pid() if self._busy() else None, self._closely) if pid is not None]
        look = asyncio.create_task(self._monitor.look(of, names, self._interval))
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
        started = time.perf_counter()
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
        rates = self._rates.add(look)
        # What is read more rarely comes again as it was: that is no standstill.
        if look.has("progress") and (look.rarely is None or self.last is None or look.progress != self.last.progress):
            self._paces = paces(self._paces, look.at, look.progress)
        self._written = written(self._written, look, our_pid, rates.wal)
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
            wal_rate=rates.wal,
            transaction_rate=rates.transactions,
            replica_lag=max(lags, default=None),
            tree=tree,
            missing=look.missing,
            rollback_rate=rates.rollbacks,
            in_the_way=self._in_the_way(look),
            temp_rate=rates.temp,
            slots=look.slots,
            horizon=look.horizon,
            rights=look.rights,
            hidden=hidden_sessions(look.sessions),
            interval=self._interval,
            rarely=look.rarely,
            prepared=look.prepared,
            looked_at=self._closely if look.has("locks") else None,
            paces=self._paces,
            written=self._written,
            made_in=time.perf_counter() - started,
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


def _as_meant(dsn: Dsn) -> str:
    """Which servers the DSN is about: of a session that is read only, read-write and read-only say nothing."""
    wanted = dsn.get("target_session_attrs") or os.environ.get("PGTARGETSESSIONATTRS", "any")
    return {"read-write": "primary", "read-only": "standby"}.get(wanted, wanted)


def _open_for(session: Session | None) -> float:
    return (session.transaction_seconds or 0.0) if session is not None else 0.0
