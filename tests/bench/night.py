"""Eight hours at four looks a second, replayed as fast as they are drawn: how much memory the console takes.

``python tests/bench/night.py [watch | console] [LOOKS]`` draws them on the real screen, without a terminal, and prints
the resident memory.
"""

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from measured import COLUMNS, LINES, resident
from parts import Drawing

from tui.engine.sampler import Sampler
from tui.postgres.rows import Counters, Lock, Look, Progress, Replica, Session
from tui.postgres.session import Dsn

LOOKS = 28_800
AT = (1_000, 5_000, 28_800)
SESSIONS = 300
LIMIT = 120
EVERY = 0.25
BEGAN = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
TABLES = [f"table_{n}" for n in range(40)]
VERBS = ("SELECT * FROM {} WHERE id = {}", "UPDATE {} SET state = 'done' WHERE id = {}", "DELETE FROM {} WHERE id = {}")


class Night:
    """What a night's looks see: sessions come and go, run other queries, and wait for each other now and then."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._next_pid = 4000
        self._now = BEGAN
        self._sessions = {session.pid: session for session in (self._session() for _ in range(SESSIONS))}
        self._queue: list[int] = []
        self._table = 0
        self._ended = 0
        self._wal = 0

    def looks(self, number: int) -> Iterator[Look]:
        for n in range(number):
            self._now += timedelta(seconds=EVERY)
            self._change()
            yield self._look(n)

    def _session(self) -> Session:
        self._next_pid += self._chance.randint(1, 9)
        return Session(
            pid=self._next_pid,
            leader_pid=None,
            backend_start=self._now,
            user=self._chance.choice(("app", "reporting", "worker")),
            database="app",
            application_name=self._chance.choice(("web", "worker", "billing_report", "psql")),
            client=f"10.0.{self._chance.randint(0, 9)}.{self._chance.randint(1, 250)}",
            state="idle",
            wait_event_type="Client",
            wait_event="ClientRead",
            transaction_seconds=None,
            state_seconds=0.0,
            backend_xid=None,
            backend_type="client backend",
            query="",
        )

    def _change(self) -> None:
        chance = self._chance
        for pid in chance.sample(sorted(self._sessions), 30):
            if pid in self._queue:
                continue
            text = chance.choice(VERBS).format(chance.choice(TABLES), chance.randint(1, 10**9))
            active = chance.random() < 0.5
            self._sessions[pid] = replace(
                self._sessions[pid],
                state="active" if active else "idle in transaction" if chance.random() < 0.2 else "idle",
                wait_event_type="IO" if active else "Client",
                wait_event="DataFileRead" if active else "ClientRead",
                transaction_seconds=chance.uniform(0.0, 900.0) if active else None,
                state_seconds=chance.uniform(0.0, 900.0),
                query=text,
            )
        for pid in chance.sample(sorted(self._sessions), 2):
            if pid not in self._queue:
                del self._sessions[pid]
                fresh = self._session()
                self._sessions[fresh.pid] = fresh
        self._ended += chance.randint(100, 2000)
        self._wal += chance.randint(10**4, 10**7)
        if not self._queue and chance.random() < 0.02:
            self._table = chance.randrange(len(TABLES))
            self._queue = [chance.choice(sorted(self._sessions))]
        elif (self._queue and len(self._queue) > 60) or chance.random() < 0.01:
            self._queue = []
        elif self._queue:
            free = [pid for pid in sorted(self._sessions) if pid not in self._queue]
            self._queue += chance.sample(free, chance.randint(0, 3))

    def _look(self, number: int) -> Look:
        blocker, *waiters = self._queue or [0]
        age = {pid: EVERY * (len(waiters) - n) + self._chance.random() for n, pid in enumerate(waiters)}
        sessions = tuple(
            replace(
                session,
                state="active" if session.pid in age else session.state,
                wait_event_type="Lock" if session.pid in age else session.wait_event_type,
                wait_event="relation" if session.pid in age else session.wait_event,
                transaction_seconds=842.0 if session.pid == blocker else session.transaction_seconds,
            )
            for session in self._sessions.values()
        )
        locks = [self._lock(blocker, "AccessExclusiveLock", None)] if waiters else []
        locks += [self._lock(pid, "RowExclusiveLock", seconds) for pid, seconds in age.items()]
        return Look(
            at=self._now,
            cost=self._chance.uniform(0.004, 0.02),
            sessions=sessions,
            blocking=dict.fromkeys(waiters, (blocker,)),
            locks=tuple(locks),
            progress=(
                Progress(blocker, "CREATE INDEX", TABLES[0], "building index", number % 1000, 1000, "blocks", None),
            ),
            replicas=(Replica("r1", "10.0.0.2", "streaming", "async", self._chance.random(), number),),
            counters=Counters(self._wal, self._ended, len(sessions), 500, False, self._ended // 100),
            own_transactions=4 * number,
        )

    def _lock(self, pid: int, mode: str, waited: float | None) -> Lock:
        table = TABLES[self._table]
        return Lock(pid, "relation", 5, 16384 + self._table, table, "", mode, waited is None, False, waited, f"3/{pid}")


async def main(name: str, looks: int) -> None:
    app = Drawing(name)
    sampler = Sampler(Dsn("dbname=nobody-connects"), lambda sample: None, our_pid=lambda: None, busy=lambda: True)
    found: dict[int, float] = {}
    async with app.run_test(size=(COLUMNS, LINES)) as pilot:
        before = resident(os.getpid())
        for number, look in enumerate(Night(28).looks(looks), 1):
            app.show(sampler._sample(look))
            await pilot.pause()
            if number in AT or number % 2_000 == 0:
                found[number] = resident(os.getpid())
                print(f"  after {number:>6,} looks {found[number]:.1f} MB", flush=True)
    print(
        f"resident memory: before the first look {before:.1f} MB; "
        + ", ".join(f"{n:,}: {found[n]:.1f}" for n in AT if n in found)
    )
    most = max(found.values(), default=before)
    print(f"most {most:.1f} MB: {'held' if most <= LIMIT else 'BROKEN'} (at most {LIMIT})")
    if set(AT) <= set(found):
        print(f"grown since the first thousand by {found[AT[-1]] - found[AT[0]]:.1f} MB")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "watch", int(sys.argv[2]) if len(sys.argv) > 2 else LOOKS))
