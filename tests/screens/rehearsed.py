"""The same night after a rehearsal: what was found, what is foreseen, what was there before and after."""

from dataclasses import replace
from datetime import timedelta

from scenes import (
    NIGHT,
    STATEMENTS,
    RecordingRun,
    at,
    done,
    finished,
    in_006,
    sample,
    samples,
    session,
    two_done,
    verified,
    waiting_tree,
    window_open,
)

from tui.engine import events as e
from tui.engine.proof import (
    Difference,
    ForeseenLock,
    Loss,
    Made,
    Measure,
    Rehearsal,
    StepForecast,
    StepProof,
    TableSize,
    TakenLock,
    WayBack,
)
from tui.engine.sample import InTheWay, Sample
from tui.postgres.rows import Lock
from tui.runbook.lock_rules import foresee
from tui.runbook.statements import Statement

AE, SRE, SUE, RE = "AccessExclusiveLock", "ShareRowExclusiveLock", "ShareUpdateExclusiveLock", "RowExclusiveLock"
LATE = at("02:18:55")
REHEARSED = NIGHT - timedelta(days=2, hours=3)

HERE = {
    "iso_agents": TableSize("iso_agents", 24_000_000, 60_000),
    "client_profiles": TableSize("client_profiles", 1_200_000_000, 300_000),
    "requests": TableSize("requests", 640_000_000, 1_400_000),
    "quotes": TableSize("quotes", 88_000_000, 210_000),
    "users": TableSize("users", 24_000_000, 60_000),
}
THERE = {
    name: TableSize(name, table.bytes // 3, table.rows // 3 if table.rows else None) for name, table in HERE.items()
}
OIDS = {"iso_agents": 16400, "users": 16400, "client_profiles": 16410, "requests": 16420, "quotes": 16430}

LOCKS: dict[str, tuple[tuple[str, str], ...]] = {
    "004": (("iso_agents", AE), ("iso_agents_pkey", AE)),
    "005": (("iso_agents", AE), ("iso_agents_pkey", SUE), ("idx_iso_agents_email", SUE), ("requests", RE)),
    "006": (("requests", AE), ("quotes", AE), ("client_profiles", AE)),
    "007": (("users", AE),),
}
LOST = (
    Difference("changed", "users", "column users.email has statistics target 100 and not 500"),
    Difference("lost", "quotes", "constraint quotes_user_id_fkey on quotes is gone"),
    Difference("order", "requests", "columns of requests stand in another order"),
)
BROKEN = (
    "rollback/007.sql:12: DROP TYPE: cannot drop type user_role because other objects depend on it; column role of "
    "table users depends on type user_role; Use DROP ... CASCADE to drop the dependent objects too."
)


def _proof(step: str, forward: float, back: float) -> StepProof:
    statements = tuple(
        Measure(
            index,
            index * 4,
            text.split()[0],
            forward / len(STATEMENTS[step]),
            81_920,
            tuple(TakenLock(*lock) for lock in LOCKS[step]) if index == 1 else (),
        )
        for index, text in enumerate(STATEMENTS[step], 1)
    )
    scripts = ((f"steps/{step}.sql", "0" * 64),)
    return StepProof(step, "applied", "proven", scripts, forward, back, statements)


SECONDS = {"004": (5.8, 1.1), "005": (11.9, 2.0), "006": (6.2, 3.0), "007": (14.1, 2.0)}


def rehearsal() -> Rehearsal:
    """All is proven."""
    steps = tuple(_proof(step, *SECONDS[step]) for step in STATEMENTS)
    ways = tuple(
        WayBack(step, None, ("008",), "proven", sum(SECONDS[one][1] for one in SECONDS if one <= step))
        for step in STATEMENTS
    )
    return Rehearsal(REHEARSED, "iso-agents-to-users", "clone", 180004, steps, ways, tuple(THERE.values()), (), True)


def mixed() -> Rehearsal:
    """005 loses something, 006 was changed since, 007 does not get back."""
    found = rehearsal()
    one, two, three, four = found.steps
    two = replace(two, rollback="lossy", differences=LOST)
    four = replace(four, rollback="failed", rollback_seconds=None, error=BROKEN)
    ways = (
        found.ways_back[0],
        replace(found.ways_back[1], verdict="lossy", differences=LOST),
        replace(found.ways_back[2], verdict="lossy", differences=LOST),
        replace(found.ways_back[3], verdict="failed", seconds=None, error=BROKEN),
    )
    return replace(found, steps=(one, two, three, four), ways_back=ways, ok=False)


def forecast() -> e.ForecastMade:
    steps = tuple(
        StepForecast(
            step,
            "rehearsed",
            tuple(
                ForeseenLock(name, mode, index, HERE.get(name), THERE.get(name))
                for index, (name, mode) in enumerate(LOCKS[step], 1)
            ),
            ("iso_agents",) if step == "004" else (),
            ("iso_agents",) if step == "005" else (),
            SECONDS[step][0],
        )
        for step in STATEMENTS
    )
    return e.ForecastMade(at("01:00"), steps, tuple(HERE.values()))


def by_rule() -> e.ForecastMade:
    """What the rules say where nobody has rehearsed; of a DO block they know nothing."""
    first, second, *rest = forecast().steps
    unknown = foresee(Statement("DO $$ BEGIN PERFORM 1; END $$", 0, 29, 1))
    ruled = tuple(replace(one, source="rules", seconds=None, scans=()) for one in (first, second))
    doubt = (f"statement 2 (DO): {unknown.why}",)
    nothing = replace(rest[1], source="rules", seconds=None, locks=(), caveats=doubt)
    third = replace(rest[0], source="rules", seconds=None)
    return e.ForecastMade(at("01:00"), (ruled[0], replace(ruled[1], caveats=doubt), third, nothing), ())


def known(
    events: list[e.Event], found: Rehearsal | None = None, stale: tuple[str, ...] = (), before: bool = True
) -> list[e.Event]:
    """The same events in a run whose runbook was rehearsed, and whose database was looked at before the first step."""
    first, *rest = events
    told: list[e.Event] = [first, e.ProofRead(at("01:00"), found or rehearsal(), stale), forecast()]
    for event in rest:
        if isinstance(event, e.ScriptStarted) and event.script == "004" and before:
            told.append(e.FingerprintTaken(event.at, "0" * 64, 412, 0.8, tuple((oid, 9) for oid in OIDS.values())))
        told.append(event)
        if isinstance(event, e.ScriptDone) and event.direction == "forward" and before:
            told.append(e.MadeCounted(event.at, event.script, (Made(16990, 0, "users_new", 20_000),)))
    return told


def to_come() -> list[e.Event]:
    """004 is in, and 005 comes next."""
    return known([*window_open(), *done("004", at("01:21"), 6.1), *verified("roles", at("01:21:02"), found="20000")])


def never() -> list[e.Event]:
    """The same without a rehearsal."""
    first, *rest = [*window_open(), *done("004", at("01:21"), 6.1), *verified("roles", at("01:21:02"), found="20000")]
    return [first, by_rule(), *rest]


def mixed_proofs() -> list[e.Event]:
    return known(two_done(), mixed(), ("006",))


REPORT = session(4242, "billing_report", "SELECT * FROM iso_agents", "idle in transaction", 842.0)
QUICK = session(5302, "web", "SELECT 1", "active", 0.1)


def in_the_way(*sessions: InTheWay) -> list[Sample]:
    """A report holds what 005 wants, and a session of the application for a moment."""
    held = sessions or (
        InTheWay("iso_agents", AE, "AccessShareLock", 4242, REPORT),
        InTheWay("iso_agents", AE, "RowExclusiveLock", 4242, REPORT),
        InTheWay("iso_agents", AE, "AccessShareLock", 5302, QUICK),
    )
    return [*samples(), sample(in_the_way=held)]


def lock(relation: str, mode: str, granted: bool = True, oid: int | None = None) -> Lock:
    number = oid if oid is not None else OIDS[relation]
    return Lock(5131, "relation", 5, number, relation, "", mode, granted, False, None if granted else 2.4, "3/42")


def waits(*more: Lock) -> list[Sample]:
    """006 waits for client_profiles, and holds what it holds."""
    ours = (lock("requests", AE), lock("quotes", AE), lock("client_profiles", AE, False), *more)
    tree = waiting_tree()
    return [*samples(tree)[:-1], sample(tree, transaction_rate=12.0, our_locks=ours)]


def rehearsed_in_006() -> list[e.Event]:
    return known(in_006())


def late() -> list[e.Event]:
    """006 would end after the moment to go back."""
    words = "006 would end at 02:19:13; to be back when the window ends, going back must begin by 02:19:11"
    return [*known(two_done()), e.DeadlineCrossed(LATE, "006", words)]


def done_as_rehearsed() -> list[e.Event]:
    return known(finished())


def back(*differences: Difference, error: str = "") -> list[e.Event]:
    """All is taken back and compared."""
    begin = at("01:40")
    undone = ("006", "005", "004")
    return [
        *known([*two_done(), *done("006", at("01:31"), 8.8)]),
        e.RollbackPlanned(begin, "dba1", ("008",), undone, None),
        e.ScriptStarted(begin, "008", "Back to iso_agents", "back", undone, 1, 10, 3, 5131, "dba1"),
        e.ScriptDone(at("01:40:09"), "008", "back", undone, 9.1),
        e.RollbackFinished(at("01:40:09"), True),
        *verified("back", at("01:40:10"), found="identical"),
        e.FingerprintCompared(at("01:40:11"), differences, 0 if error else 412, 0.7, error),
    ]


LOSSES = (
    Loss("users_new", "rows", 20_012, "004", 12),
    Loss("users.avatar_url", "values", 3, "005", 3),
    Loss("users.locale", "values", 60_000, "005", 0),
)


def proven(run: RecordingRun) -> None:
    run.way, run.seconds, run.lost = rehearsal().ways_back[1], 9.3, LOSSES


def lossy(run: RecordingRun) -> None:
    run.way, run.seconds, run.lost = mixed().ways_back[1], 9.3, ()


def broken(run: RecordingRun) -> None:
    """It was tried and failed, and a script has changed since; nobody can count."""
    run.way, run.stale = mixed().ways_back[3], True


def too_late(run: RecordingRun) -> None:
    run.way, run.seconds, run.lost = rehearsal().ways_back[1], 90.0 * 60, ()
