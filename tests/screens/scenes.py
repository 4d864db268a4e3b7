"""Moments of one night, built from events and samples by hand: what the screens are shown in tests."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from textual.pilot import Pilot

from tui.app import LockstepApp
from tui.engine import events as e
from tui.engine.operator import SignalPreview
from tui.engine.proof import Loss, WayBack
from tui.engine.release import Release, Waiter
from tui.engine.rollback import RollbackPlan, RollbackScript
from tui.engine.run import Run
from tui.engine.sample import LockNode, LockTree, Sample, Source
from tui.engine.state import RunState, fold
from tui.postgres.rows import MONITOR, Counters, Horizon, PgError, Progress, Replica, Session, Slot
from tui.runbook.model import Requires, Runbook, Safety, Script, Step
from tui.runbook.statements import Statement
from tui.screens.held import HeldKey

START = datetime(2026, 11, 21, 1, 0, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 21, 1, 44, 12, tzinfo=UTC)


def at(clock: str) -> datetime:
    """``01:31`` or ``01:31:07`` of that night."""
    parts = [int(p) for p in clock.split(":")]
    return START.replace(hour=parts[0], minute=parts[1], second=parts[2] if len(parts) > 2 else 0)


SQL_006 = """ALTER TABLE client_profiles
  RENAME COLUMN iso_agent_id TO user_id"""

STATEMENTS = {
    "004": ("ALTER TYPE user_role RENAME TO user_role_old", "CREATE TYPE user_role AS ENUM ('admin', 'agent', 'user')"),
    "005": ("ALTER TABLE iso_agents RENAME TO users", "ALTER INDEX iso_agents_pkey RENAME TO users_pkey"),
    "006": (
        "ALTER TABLE requests DROP CONSTRAINT requests_iso_agent_id_fkey",
        "ALTER TABLE quotes DROP CONSTRAINT quotes_iso_agent_id_fkey",
        SQL_006,
        "ALTER TABLE requests RENAME COLUMN iso_agent_id TO user_id",
        "UPDATE workflow_states SET owner = 'user' WHERE owner = 'iso_agent'",
        "CREATE INDEX client_profiles_user_id ON client_profiles (user_id)",
        "ALTER TABLE client_profiles ADD CONSTRAINT user_fkey FOREIGN KEY (user_id) REFERENCES users",
        "ALTER TABLE quotes VALIDATE CONSTRAINT quotes_user_id_fkey",
        "COMMENT ON TABLE users IS 'was iso_agents'",
    ),
    "007": ("ALTER TABLE users ENABLE ROW LEVEL SECURITY", "CREATE POLICY own_rows ON users USING (id = auth.uid())"),
}

TITLES = {
    "004": "Update user roles",
    "005": "Rename iso_agents to users",
    "006": "Update foreign keys",
    "007": "Row level security",
}
EXPECTED: dict[str, tuple[float, float]] = {"004": (5, 10), "005": (10, 20), "006": (5, 10), "007": (15, 30)}

ITEMS = (
    ("backup", "Full backup of production, restorable", "before", True, "human"),
    ("staging", "Staging run green", "before", True, "human"),
    ("prepared", "No prepared transactions", "before", True, "probe"),
    ("version", "PostgreSQL 14 or newer", "before", True, "probe"),
    ("replicas", "Replicas in step", "before", True, "probe"),
    ("disk", "Disk for twice the tables", "before", True, "command"),
    ("team", "Team knows the window", "before", True, "human"),
    ("long", "No transaction older than 5 min", "before", False, "probe"),
    ("frozen", "Deploys are frozen", "during", True, "human"),
    ("deploy", "Deploy application", "after", False, "human"),
    ("webhook", "Update webhook", "after", False, "human"),
    ("docs", "Documentation says users", "after", False, "human"),
)
VERIFICATIONS = (
    ("renamed", "users is there, iso_agents is not", "005"),
    ("roles", "Roles carried over", "004"),
    ("orphans", "No client profile without a user", "006"),
    ("orphan_requests", "No request without a user", "006"),
    ("functions", "Row security functions answer", "007"),
    ("policies", "Policies on every table", "end"),
    ("back", "Schema as it was before", "back"),
)
ORPHANS = (
    "SELECT count(*) FROM client_profiles cp\n  LEFT JOIN users u ON cp.user_id = u.id\n WHERE u.id IS NULL  -- none"
)


def target(*, production: bool = True, database: str = "app") -> e.Target:
    return e.Target("db1.example", 5432, database, "dba", 160014, 7301, production)


def opened(moment: datetime = START, **changes: Any) -> e.RunOpened:
    event = e.RunOpened(
        at=moment,
        run="20261121-010000",
        runbook="iso-agents-to-users",
        title="iso_agents to users",
        runbook_sha256="0" * 64,
        operator="dba1",
        client="ops1",
        target=target(),
        window=3600.0,
        items=tuple(
            e.PlannedItem(i, t, "Ask who is on call; the answer goes into the note.", p, r, b, None)  # type: ignore[arg-type]
            for i, t, p, r, b in ITEMS
        ),
        steps=tuple(
            e.PlannedStep(
                i,
                TITLES[i],
                len(STATEMENTS[i]),
                True,
                EXPECTED[i],
                ("no verification",) if i == "007" else (),
                9,
                20,
                5.0,
            )
            for i in STATEMENTS
        ),
        verifications=tuple(
            e.PlannedVerification(i, t, a, ORPHANS if i == "orphans" else f"SELECT check_{i}()")
            for i, t, a in VERIFICATIONS
        ),
    )
    return replace(event, **changes)


def runbook(path: Path = Path("iso-agents-to-users")) -> Runbook:
    """The same plan with its scripts."""

    def script(name: str, texts: tuple[str, ...]) -> Script:
        statements = tuple(Statement(t, 0, len(t), 10 * n + 1) for n, t in enumerate(texts))
        return Script(name, ";\n".join(texts), statements)

    steps = tuple(
        Step(i, TITLES[i], script(f"steps/{i}.sql", STATEMENTS[i]), None, True, EXPECTED[i], Safety())
        for i in STATEMENTS
    )
    return Runbook(path, "iso_agents to users", 3600.0, Requires(), False, Safety(), (), steps, (), ())


def probed(item: str, moment: datetime, *, ok: bool = True, found: str = "0", error: str | None = None) -> e.ItemProbed:
    return e.ItemProbed(moment, item, ok, "0", found, "", 0.012, error)


def checklist() -> list[e.Event]:
    """Opened on production, name typed, probes asked, two lines ticked."""
    return [
        opened(),
        e.LedgerRead(at("01:00"), ()),
        probed("prepared", at("01:01")),
        probed("version", at("01:01"), found="16.14"),
        probed("replicas", at("01:01"), found="0 bytes"),
        probed("long", at("01:01"), ok=False, found="1"),
        e.ProductionConfirmed(at("01:01:30"), "dba1", "app"),
        e.ItemTicked(at("01:02"), "backup", "dba1", True, "base backup of 00:40, restored on db9"),
        e.ItemTicked(at("01:04"), "staging", "dba1", True),
    ]


def window_open() -> list[e.Event]:
    return [
        *checklist(),
        e.ItemProbed(at("01:10"), "disk", True, "exit 0", "exit 0", "812 GB free", 0.2),
        e.ItemTicked(at("01:12"), "team", "dba1", True),
        e.ItemTicked(at("01:13"), "frozen", "dba1", True),
        probed("long", at("01:19")),
        e.WindowOpened(at("01:20"), "dba1", 3600.0),
    ]


def done(script: str, moment: datetime, seconds: float) -> list[e.Event]:
    """A step from start to commit."""
    begin = moment - timedelta(seconds=seconds)
    events: list[e.Event] = [started(script, begin)]
    for index, sql in enumerate(STATEMENTS[script], 1):
        events.append(e.StatementStarted(begin, script, index, index, sql.split()[0], sql))
        events.append(
            e.StatementFinished(begin, script, index, seconds / len(STATEMENTS[script]), None, sql.split()[0])
        )
    return [
        *events,
        e.CommitIntended(moment, script, "forward", 48000 + int(script)),
        e.ScriptDone(moment, script, "forward", (script,), seconds),
    ]


def started(script: str, moment: datetime, attempt: int = 1) -> e.ScriptStarted:
    return e.ScriptStarted(
        moment, script, TITLES[script], "forward", (script,), attempt, 10, len(STATEMENTS[script]), 5131, "dba1"
    )


def verified(verification: str, moment: datetime, *, found: str = "0") -> list[e.Event]:
    return [
        e.VerificationStarted(moment, verification),
        e.VerificationFinished(moment, verification, True, "0", found, ("count",), ((found,),), 1, 0.041),
    ]


def two_done() -> list[e.Event]:
    return [
        *window_open(),
        *done("004", at("01:21"), 6.1),
        *verified("roles", at("01:21:02"), found="20000"),
        *done("005", at("01:22"), 12.4),
        *verified("renamed", at("01:22:02"), found="true"),
    ]


def in_006(attempt: int = 2) -> list[e.Event]:
    """Step 006 in its third statement; ``NIGHT`` is 7 s after it began."""
    begin = NIGHT - timedelta(seconds=7)
    events: list[e.Event] = [*two_done()]
    if attempt > 1:
        events += [
            started("006", begin - timedelta(seconds=9)),
            e.LockWaited(begin, "006", 3, "ACCESS EXCLUSIVE on client_profiles", 3.0, (BLOCKER,), 12),
            e.LocksGivenBack(
                begin - timedelta(seconds=3), "006", 1, "lock_timeout", "canceling statement due to lock timeout", 3.0
            ),
        ]
    events.append(started("006", begin, attempt))
    for index in (1, 2, 3):
        sql = STATEMENTS["006"][index - 1]
        events.append(e.StatementStarted(begin, "006", index, index * 4, "ALTER TABLE", sql))
        if index < 3:
            events.append(e.StatementFinished(begin, "006", index, 0.9, None, "ALTER TABLE"))
    return events


BLOCKER = e.Blocker(
    4242, "billing_report", "reporting", "idle in transaction", "ACCESS SHARE on client_profiles", 842.0
)


def backoff() -> list[e.Event]:
    return [
        *in_006(1),
        e.NoticeRaised(NIGHT, "006", "NOTICE", "constraint requests_iso_agent_id_fkey does not exist, skipping"),
        e.LocksGivenBack(NIGHT, "006", 1, "guard", "21 sessions waited behind us, the limit is 20", 2.0),
    ]


def failed() -> list[e.Event]:
    error = PgError(
        "23503",
        'insert or update on table "client_profiles" violates foreign key constraint "client_profiles_user_id_fkey"',
        'Key (user_id)=(88121) is not present in table "users".',
        "",
        'SQL statement "SELECT 1 FROM ONLY users x WHERE id = $1"',
        41,
    )
    return [
        *in_006(1),
        e.ScriptFailed(NIGHT, "006", "forward", ("006",), "error", "rolled_back", 2, error, error.message),
    ]


def red() -> list[e.Event]:
    rows = (
        ("88121", None, "2026-11-21 01:31:07"),
        ("88122", None, "2026-11-21 01:31:07"),
        ("88130", None, "2026-11-21 01:31:09"),
    )
    return [
        *two_done(),
        *done("006", at("01:31"), 8.8),
        e.VerificationStarted(at("01:31:10"), "orphans"),
        e.VerificationFinished(
            at("01:31:11"), "orphans", False, "0", "3", ("id", "user_id", "created_at"), rows, 3, 0.041
        ),
        *verified("orphan_requests", at("01:31:12")),
    ]


def finished() -> list[e.Event]:
    wait = e.LockWaited(at("01:31"), "006", 3, "ACCESS EXCLUSIVE on client_profiles", 9.8, (BLOCKER,), 17)
    return [
        *two_done(),
        started("006", at("01:30")),
        wait,
        e.SessionSignalled(
            at("01:31:40"), 4242, "terminate", "dba1", "billing_report as reporting", True, True, "session 4242 is gone"
        ),
        *done("006", at("01:32"), 14.6),
        *verified("orphans", at("01:32:10")),
        *verified("orphan_requests", at("01:32:11")),
        *done("007", at("01:33"), 8.8),
        *verified("functions", at("01:33:10")),
        *verified("policies", at("01:33:11"), found="12"),
    ]


def rolled_back() -> list[e.Event]:
    begin = at("01:40")
    return [
        *red(),
        e.RollbackPlanned(begin, "dba1", ("008",), ("006", "005", "004"), None),
        e.ScriptStarted(begin, "008", "Back to iso_agents", "back", ("006", "005", "004"), 1, 10, 3, 5131, "dba1"),
        e.ScriptDone(at("01:40:09"), "008", "back", ("006", "005", "004"), 9.1),
        e.RollbackFinished(at("01:40:09"), True),
        *verified("back", at("01:40:10"), found="identical"),
    ]


def reopened() -> tuple[list[e.Event], RunState]:
    """The console died in 006's COMMIT; the ledger has 006. The state before comes with it."""
    begun = [*in_006(1), e.CommitIntended(at("01:33:05"), "006", "forward", 48211)]
    rows = tuple(e.LedgerStep(s, True, at("01:33"), "dba1", 8.8, "0" * 64) for s in ("004", "005", "006"))
    opening = opened(at("01:41"), operator="dba2", client="ops2")
    return [*begun, opening, e.LedgerRead(at("01:41"), rows), e.ProductionConfirmed(at("01:41"), "dba2", "app")], fold(
        begun
    )


HOLDER = e.Holder(4100, "dba1", "postgres", "10.0.0.5", at("01:12:03"))


def watching(under_way: int | None = 5131) -> list[e.Event]:
    """dba1 has the run in hand elsewhere and is in step 006, of which the ledger knows five statements."""
    rows = [e.LedgerStep(s, True, at("01:21"), "dba1", 8.8, "0" * 64) for s in ("004", "005")]
    if under_way is not None:
        rows.append(e.LedgerStep("006", False, NIGHT, "dba1", 7.0, "0" * 64, 5, script="006", begun=6))
    return [
        opened(at("01:40"), run="", operator="dba2", client="ops2"),
        e.RunWatched(at("01:40"), HOLDER, under_way),
        e.LedgerRead(at("01:40"), tuple(rows), under_way=under_way),
    ]


def abandoned() -> list[e.Event]:
    return [*watching(None), e.RunWatched(NIGHT, None)]


BUILD = "CREATE UNIQUE INDEX CONCURRENTLY client_profiles_user_id ON client_profiles (user_id)"


def outside(events: list[e.Event]) -> list[e.Event]:
    """The same night where 006 is not one transaction."""
    first = events[0]
    assert isinstance(first, e.RunOpened)
    steps = tuple(replace(s, transaction=s.id != "006") for s in first.steps)
    return [replace(first, steps=steps), *events[1:]]


def building() -> list[e.Event]:
    """006 in a CREATE INDEX CONCURRENTLY, its sixth statement."""
    events = in_006(1)
    return [
        *outside(events),
        *(e.StatementFinished(NIGHT, "006", index, 0.9, None, "ALTER TABLE") for index in (3, 4, 5)),
        e.StatementStarted(NIGHT, "006", 6, 24, "CREATE INDEX CONCURRENTLY", BUILD),
    ]


DUPLICATE = PgError(
    "23505",
    'could not create unique index "client_profiles_user_id"',
    "Key (user_id)=(88121) is duplicated.",
)


def leftover() -> list[e.Event]:
    """It failed and left an invalid index."""
    found = e.Remains(
        "leftover",
        "an earlier try left the invalid index public.client_profiles_user_id: no query uses it, "
        "every write still pays for it",
        ("DROP INDEX CONCURRENTLY public.client_profiles_user_id",),
    )
    advice = "rows that are there already break the rule: find them with the key above, mend them, then run it again"
    return [
        *building(),
        e.ScriptFailed(NIGHT, "006", "forward", ("006",), "error", "partial", 5, DUPLICATE, DUPLICATE.message, advice),
        e.RemainsFound(NIGHT, "006", 6, found),
    ]


def much_left() -> list[e.Event]:
    """More to repair than a small screen holds, in statements that are longer than its rows."""
    *events, found = leftover()
    assert isinstance(found, e.RemainsFound)
    schema = "a_schema_with_a_rather_long_name"
    drops = tuple(f"DROP INDEX CONCURRENTLY {schema}.client_profiles_of_region_{n}_by_user_id_ccnew" for n in range(14))
    return [*events, replace(found, remains=replace(found.remains, repair=drops))]


def repairing() -> list[e.Event]:
    begin = NIGHT - timedelta(seconds=4)
    sql = "DROP INDEX CONCURRENTLY public.client_profiles_user_id"
    return [*leftover(), started("006", begin), e.RepairStarted(begin, "006", sql, "dba1")]


def doubt() -> list[e.Event]:
    """The server went away in a statement of which the catalog tells nothing."""
    what = "the catalog does not tell whether CALL took effect: look at the data that the procedure changes"
    return [
        *building(),
        e.CommitIntended(NIGHT, "006", "forward", 48211),
        e.ScriptFailed(NIGHT, "006", "forward", ("006",), "connection", "in_doubt", 5, None, "the connection was lost"),
        e.RemainsFound(NIGHT, "006", 6, e.Remains("unknown", what)),
    ]


def still_runs() -> list[e.Event]:
    """Opened again while the server has not noticed yet that the earlier console is dead."""
    rows = tuple(e.LedgerStep(s, True, at("01:21"), "dba1", 8.8, "0" * 64) for s in ("004", "005"))
    return [*two_done(), e.LedgerRead(NIGHT, rows, under_way=4242)]


def backfill(throttled: str = "", chunks: int = 12) -> list[e.Event]:
    """006 as a batch; each chunk of 2 500 rows takes a second."""
    begin = NIGHT - timedelta(seconds=chunks + 1)
    sql = "UPDATE client_profiles c SET owner_id = user_id FROM batch WHERE c.id = batch.id"
    events: list[e.Event] = [
        *outside(two_done()),
        started("006", begin),
        e.BatchMeasured(begin, "006", 93_000, 207_000, 2500),
        e.StatementStarted(begin, "006", 1, 4, "UPDATE", sql),
    ]
    for n in range(1, chunks + 1):
        done = 93_000 + 2500 * n
        events.append(e.BatchDone(begin + timedelta(seconds=n), "006", n, 2500, 1.0, done, 2500))
    return [*events, e.BatchThrottled(NIGHT, "006", throttled)] if throttled else events


def paused_backfill() -> list[e.Event]:
    return [*backfill("paused"), e.PauseSet(NIGHT, True, "dba1")]


def cut_off() -> list[e.Event]:
    """The server restarts under 006."""
    lost = NIGHT - timedelta(seconds=12)
    return [
        *in_006(1),
        e.ScriptFailed(
            lost, "006", "forward", ("006",), "connection", "rolled_back", 0, None, "the connection is lost"
        ),
        e.ServerAwaited(lost, "the database system is starting up"),
    ]


CHANGED = e.Change("steps/005.sql", "005", "more", "3f" * 32, "a9" * 32, at("01:22"))
COMMENTED = e.Change("runbook.toml", "", "comments", "17" * 32, "e0" * 32, at("01:22"))


def changed() -> list[e.Event]:
    return [*two_done(), e.ChangesFound(NIGHT, (CHANGED, COMMENTED))]


def accepted() -> list[e.Event]:
    ids = (CHANGED.id, COMMENTED.id)
    return [*changed(), e.GateOverridden(NIGHT, ids, "a typo in a comment was mended, seen by both of us", "dba1")]


def blind() -> Sample:
    """The monitor's connection is lost."""
    lost = Source(MONITOR, "the server closed the connection unexpectedly", NIGHT - timedelta(seconds=12))
    return sample(
        sessions=(), counters=None, blocked_sessions=None, wal_rate=None, transaction_rate=None, missing=(lost,)
    )


def session(
    pid: int, name: str, query: str, state: str = "active", seconds: float | None = 2.0, **more: Any
) -> Session:
    base = Session(
        pid,
        None,
        at("01:06"),
        "app",
        "app",
        name,
        "10.0.3.7",
        state,
        "",
        "",
        seconds,
        seconds,
        None,
        "client backend",
        query,
    )
    return replace(base, **more)


def node(
    who: Session, wants: str | None = None, holds: tuple[str, ...] = (), wait: float | None = None, **more: Any
) -> LockNode:
    base = LockNode(who.pid, who, who.application_name, holds, wants, wait, False, False, False)
    return replace(base, **more)


QUEUE = (
    ("web", "SELECT * FROM client_profiles WHERE id = $1", "ACCESS SHARE"),
    ("web", "UPDATE client_profiles SET updated_at = now() WHERE id = $1", "ROW EXCLUSIVE"),
    ("worker", "SELECT id FROM client_profiles FOR UPDATE SKIP LOCKED", "ROW SHARE"),
)


def waiting_tree(queued: int = 17) -> LockTree:
    """4242 holds, we wait for it, ``queued`` sessions wait behind us."""
    behind = tuple(
        node(
            session(5204 + 3 * n, QUEUE[n % 3][0], QUEUE[n % 3][1]),
            f"{QUEUE[n % 3][2]} on client_profiles",
            wait=max(0.2, 2.1 - 0.1 * n),
            soft=True,
        )
        for n in range(queued)
    )
    ours = node(
        session(5131, "lockstep runner", SQL_006),
        "ACCESS EXCLUSIVE on client_profiles",
        ("ACCESS EXCLUSIVE on requests", "ACCESS EXCLUSIVE on quotes"),
        2.4,
        ours=True,
        children=behind,
    )
    holder = node(
        session(4242, "billing_report", "SELECT * FROM client_profiles", "idle in transaction", 842.0),
        holds=("ACCESS SHARE on client_profiles", "ACCESS SHARE on requests"),
        children=(ours,),
    )
    sentence = (
        "idle in transaction 4242 (billing_report, 14 min) holds client_profiles; "
        f"our ALTER waits 2.4 s; {queued} sessions wait behind us, the oldest 2.1 s"
    )
    return LockTree(sentence, (holder,), 5131, True, 2.4, "ACCESS EXCLUSIVE on client_profiles", (holder,), queued, 2.1)


QUIET = LockTree("nobody waits for a lock", (), 5131, False, None, None, (), 0, None)


def sample(tree: LockTree = QUIET, **changes: Any) -> Sample:
    base = Sample(
        at=NIGHT,
        cost=0.004,
        sessions=(
            session(4242, "billing_report", "SELECT * FROM client_profiles", "idle in transaction", 842.0),
            session(5301, "web", "SELECT * FROM iso_agents WHERE id = $1", "idle", None),
            session(5302, "web", "INSERT INTO requests (client_id) VALUES ($1)", "active", 0.1),
        ),
        locks=(),
        our_locks=(),
        progress=(),
        replicas=(Replica("r1", "10.0.0.7", "streaming", "async", 0.4, 180_000, 0.1),),
        counters=Counters(3 * 10**9, 81000, 34, 200, False, 120, 48 * 10**6, 197),
        blocked_sessions=tree.queued,
        oldest_wait=tree.oldest,
        wal_rate=3.1e6,
        transaction_rate=212.0,
        replica_lag=0.4,
        tree=tree,
        temp_rate=0.0,
        slots=(Slot("r1", "physical", True, "reserved", 16 * 10**6, None),),
        horizon=Horizon("session", "billing_report", 4242, 1204, 842.0),
        made_in=0.001,
    )
    return replace(base, **changes)


def samples(tree: LockTree = QUIET) -> list[Sample]:
    """Half a minute of looks; the last one is the moment itself."""
    rising = [0, 0, 0, 1, 2, 4, 7, 11, 14]
    queued = [rising[max(0, n - 21)] if tree.queued else 0 for n in range(30)]
    past = [
        sample(
            replace(QUIET, queued=queued[n], oldest=queued[n] * 0.12),
            at=NIGHT - timedelta(seconds=30 - n),
            blocked_sessions=queued[n],
            oldest_wait=queued[n] * 0.12,
            wal_rate=(n % 7) * 4.4e5 + 2e5,
            transaction_rate=260.0 - 6 * n,
        )
        for n in range(30)
    ]
    return [*past, sample(tree, transaction_rate=12.0 if tree.queued else 212.0)]


BUILDING = Progress(
    5131, "CREATE INDEX", "client_profiles", "building index: scanning table", 12400, 40960, "blocks", None
)


def preview(pid: int = 4242) -> SignalPreview:
    return SignalPreview(
        session(
            pid, "billing_report", "SELECT * FROM client_profiles ORDER BY created_at", "idle in transaction", 849.0
        ),
        "1763687160.000000",
        "1763689452.000000",
        ("ACCESS SHARE on client_profiles", "ACCESS SHARE on requests"),
        Release(
            (Waiter(5131, "lockstep runner", 2.4, frozenset({pid})),),
            tuple(Waiter(5204 + 3 * n, QUEUE[n % 3][0], max(0.2, 2.1 - 0.1 * n), frozenset({5131})) for n in range(17)),
        ),
        5131,
        False,
        None,
        None,
    )


def plan(to: str | None = None) -> RollbackPlan:
    empty = Script("rollback/008.sql", "", ())
    undoes = ("005", "004") if to is None else ("005",)
    script = RollbackScript("008", "Back to iso_agents", undoes, empty, True)
    return RollbackPlan(to, (script,), "006" if to is None else None, ("back",) if to is None else ())


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class RecordingRun:
    """Stands where a Run would stand and writes down which command a key called."""

    state: RunState
    operator: str = "dba1"
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    sample: Sample | None = None
    runbook: Runbook = field(default_factory=runbook)
    journal_path: Path | None = None
    way: WayBack | None = None
    stale: bool = False
    seconds: float | None = None
    lost: tuple[Loss, ...] | None = None
    counts: asyncio.Event = field(default_factory=_set)
    counting: int = 0

    def subscribe(self, listener: Any) -> None:
        self.listener = listener

    def watch(self, listener: Any) -> None:
        self.watcher = listener

    def emit(self, event: e.Event) -> None:
        self.state = self.state.apply(event)
        self.listener(event, self.state)

    async def open(self, *, watch: bool = False) -> None:
        assert watch
        self.calls.append(("open",))

    async def close(self, reason: str, exit_code: int) -> None:
        self.calls.append(("close", exit_code))

    def plan_rollback(self, to: str | None) -> RollbackPlan:
        return replace(plan(to), rehearsed=self.way, stale=self.stale, seconds=self.seconds)

    async def losses(self, plan: RollbackPlan) -> tuple[Loss, ...] | None:
        """Counts until it is let go on."""
        self.counting += 1
        try:
            await self.counts.wait()
        finally:
            self.counting -= 1
        return self.lost

    def look_at(self, pid: int | None) -> None:
        self.calls.append(("look_at", pid))

    async def preview_signal(self, pid: int) -> SignalPreview:
        self.calls.append(("preview_signal", pid))
        return preview(pid)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        async def call(*arguments: Any) -> None:
            self.calls.append((name, *arguments))

        return call


async def show(
    app: LockstepApp, pilot: Pilot[int], events: list[e.Event], looks: list[Sample], before: RunState | None = None
) -> None:
    """Give the console a state and samples, and wait until it has drawn them."""
    await pilot.pause()
    state = fold(events)
    cast(RecordingRun, app.engine).state = state
    if before is not None:
        app.console_screen.show_before(before)
    if isinstance(state.last, e.RunWatched):
        # Who is gone is known only to who saw them.
        app.console_screen.show_state(fold(events[:-1]))
    app.console_screen.show_state(state)
    # What is past is in the gauges alone: drawing each look of it would take longer than all the rest.
    with patch.object(app.console_screen, "redraw"):
        for look in looks[:-1]:
            app.console_screen.show_sample(look)
    for look in looks[-1:]:
        app.console_screen.show_sample(look)
    await pilot.pause()


def console(moment: datetime = NIGHT, *, quiet: float = 0.0) -> tuple[LockstepApp, RecordingRun]:
    """An app whose clock stands still, on a run that writes down what it is told."""
    run = RecordingRun(RunState())
    app = LockstepApp(cast(Run, run), clock=lambda: moment, held=HeldKey(quiet))
    return app, run
