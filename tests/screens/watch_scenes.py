"""Moments of ``lockstep watch`` made by hand, and a lookout that writes down what it is told."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast
from unittest.mock import patch

from scenes import NIGHT, node, preview, sample, session
from textual.pilot import Pilot

from tui.engine import events as e
from tui.engine.facts import Target
from tui.engine.filter import parse
from tui.engine.lookout import Lookout
from tui.engine.operator import SignalPreview
from tui.engine.sample import LockNode, LockTree, Sample
from tui.postgres.rows import MONITOR, Counters, Lock, Progress, Session, Source
from tui.screens.held import HeldKey
from tui.watch import WatchApp
from tui.widgets.lines import Lines

TARGET = Target("db1.example", 5432, "app", "dba", 160014, None, False, 16384)
CREATING = "CREATE INDEX CONCURRENTLY ON orders (customer_id)"

REPORT = session(
    4242, "billing_report", "SELECT * FROM client_profiles", "idle in transaction", 842.0, user="reporting"
)
MIGRATE = session(
    5131,
    "psql",
    "ALTER TABLE client_profiles ADD COLUMN vat text",
    "active",
    6.8,
    user="dba",
    wait_event_type="Lock",
    wait_event="relation",
)
BUILDER = session(5400, "maintenance", CREATING, "active", 93.0, database="shop", user="dba")
HOLDER = session(6001, "nightly", "SELECT pg_advisory_lock(42)", "idle", None, database="shop", state_seconds=30.0)
JOB = replace(MIGRATE, pid=6002, application_name="nightly", database="shop", query=HOLDER.query, wait_event="advisory")


def waiter(number: int) -> Session:
    name, query = (
        ("web", "SELECT * FROM client_profiles WHERE id = $1"),
        ("web", "UPDATE client_profiles SET updated_at = now() WHERE id = $1"),
        ("worker", "SELECT id FROM client_profiles FOR UPDATE SKIP LOCKED"),
    )[number % 3]
    found = session(10000 + number, name, query, "active", max(0.1, 6.2 - 0.1 * number))
    return replace(found, wait_event_type="Lock", wait_event="relation")


def waits(pid: int, seconds: float) -> Lock:
    return Lock(pid, "relation", 5, 1, "client_profiles", "", "AccessShareLock", False, False, seconds, "3/1")


def queue(count: int = 17, **changes: Any) -> Sample:
    """A report holds a table, an ALTER waits for it, ``count`` sessions behind that; elsewhere a job waits."""
    behind = [waiter(number) for number in range(count)]
    nodes = tuple(
        node(one, "ACCESS SHARE on client_profiles", wait=one.transaction_seconds, soft=True) for one in behind
    )
    alter = node(MIGRATE, "ACCESS EXCLUSIVE on client_profiles", wait=6.8, children=nodes)
    report = node(REPORT, holds=("ACCESS SHARE on client_profiles",), children=(alter,))
    job = node(JOB, "EXCLUSIVE on advisory lock 42", wait=3.1)
    nightly = node(HOLDER, holds=("EXCLUSIVE on advisory lock 42",), children=(job,))
    tree = LockTree(
        f"idle in transaction 4242 (billing_report, 14 min) holds client_profiles; {count + 1} sessions wait behind "
        "it, the oldest 6.8 s; 1 more tree, 1 session, 3.1 s",
        (report, nightly),
        None,
        False,
        None,
        None,
        (),
        0,
        None,
    )
    building = Progress(
        5400, "CREATE INDEX CONCURRENTLY", "orders", "building index: scanning table", 124, 496, "blocks", None
    )
    locks = (waits(5131, 6.8), waits(6002, 3.1), *(waits(one.pid, one.transaction_seconds or 0.0) for one in behind))
    base = sample(
        tree,
        sessions=(REPORT, MIGRATE, BUILDER, HOLDER, JOB, session(5301, "web", "COMMIT", "idle", None), *behind),
        locks=locks,
        progress=(building,),
        blocked_sessions=count + 2,
        oldest_wait=6.8,
    )
    return replace(base, **changes)


def quiet() -> Sample:
    tree = LockTree("nobody waits for a lock", (), None, False, None, None, (), 0, None)
    return sample(tree, blocked_sessions=0, oldest_wait=None)


def lost() -> Sample:
    why = "connection to server at db1.example failed: Connection refused"
    tree = LockTree("nobody waits for a lock", (), None, False, None, None, (), 0, None)
    gone = Source(MONITOR, why, NIGHT - timedelta(seconds=12))
    return sample(
        tree, sessions=(), counters=None, blocked_sessions=None, wal_rate=None, replicas=(), slots=(), missing=(gone,)
    )


def standby() -> Sample:
    return replace(queue(), counters=Counters(3 * 10**9, 81000, 34, 200, True, 120, 48 * 10**6, 197))


def found(nodes: Sequence[LockNode], pid: int) -> LockNode:
    ahead = list(nodes)
    while ahead:
        one = ahead.pop()
        if one.pid == pid:
            return one
        ahead.extend(one.children)
    raise LookupError(pid)


class RecordingLookout:
    """Stands where a Lookout would stand."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.target: Target | None = TARGET
        self.looked_at: int | None = None
        self.journal = "~/lockstep/watch/one.jsonl"
        self.calls: list[tuple[Any, ...]] = []
        self.failure = failure
        self._ended = asyncio.Event()

    def watch(self, listener: Callable[[Sample], None]) -> None:
        self.see = listener

    def acted(self, listener: Callable[[e.SessionSignalled], None]) -> None:
        self.hear = listener

    async def open(self) -> None:
        self.calls.append(("open",))
        if self.failure is not None:
            raise self.failure

    async def run(self) -> None:
        await self._ended.wait()

    async def close(self) -> None:
        self.calls.append(("close",))

    async def preview_signal(self, pid: int) -> SignalPreview:
        self.calls.append(("preview_signal", pid))
        return replace(preview(pid), ours=None)

    async def signal(self, seen: SignalPreview, action: str) -> None:
        self.calls.append(("signal", seen.session.pid, action))
        told = f"session {seen.session.pid} is gone"
        self.hear(e.SessionSignalled(NIGHT, seen.session.pid, "terminate", "dba1", "one", True, True, told))


def watching(
    words: str = "",
    *,
    acts: bool = False,
    failure: Exception | None = None,
    clock: Callable[[], datetime] = lambda: NIGHT,
) -> tuple[WatchApp, RecordingLookout]:
    """An app whose clock stands still, on a lookout that writes down what it is told."""
    lookout = RecordingLookout(failure)
    app = WatchApp(
        lambda: cast(Lookout, lookout),
        parse(words),
        may_act=acts,
        clock=clock,
        held=HeldKey(0.0),
    )
    return app, lookout


async def show(app: WatchApp, pilot: Pilot[int], *looks: Sample) -> None:
    """Half a minute of looks, then these; waits until the last one is drawn."""
    await pilot.pause()
    screen = app.watch_screen
    past = [
        replace(quiet(), at=NIGHT - timedelta(seconds=40 - n), wal_rate=(n % 7) * 4.4e5, transaction_rate=240.0 - 5 * n)
        for n in range(40)
    ]
    with patch.object(screen, "redraw"):
        for look in (*past, *looks[:-1]):
            screen.show_sample(look, TARGET)
    if looks:
        screen.show_sample(looks[-1], TARGET)
    await pilot.pause()


def pane(app: WatchApp, name: str) -> str:
    """What is in it, every run of blanks as one."""
    return " ".join(app.watch_screen.query_one(f"#{name}", Lines).text.split())
