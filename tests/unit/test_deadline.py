"""Until when going back fits into the window, by rehearsal and size. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tui.engine import events as e
from tui.engine.deadline import crossing, deadline, rehearsed_way, scale
from tui.engine.proof import Measure, Rehearsal, StepProof, TableSize, TakenLock, WayBack
from tui.engine.state import RunState, fold

START = datetime(2026, 11, 22, 1, 20, tzinfo=UTC)
TARGET = e.Target("db1", 5432, "app", "dba", 160014, 1, False, 1)
OPENED = e.RunOpened(
    START,
    "r",
    "small",
    "small",
    "",
    "dba1",
    "here",
    TARGET,
    3600.0,
    (),
    tuple(e.PlannedStep(one, one, 1, True, None, (), 10, 20, 5.0) for one in ("1", "2")),
    (),
)
MEASURES = (Measure(1, 1, "ALTER TABLE", 10.0, 0, (TakenLock("users", "AccessExclusiveLock"),), ("users",)),)


def proof(step: str, seconds: float = 10.0) -> StepProof:
    return StepProof(step, "applied", "proven", (), seconds, seconds, MEASURES)


def rehearsal(*ways: WayBack, size: int = 1000) -> Rehearsal:
    tables = (TableSize("users", size, 10 if size else 0),)
    return Rehearsal(START, "small", "fixture", 160014, (proof("1"), proof("2")), ways, tables, (), True)


def way(after: str, seconds: float | None = 20.0, verdict: str = "proven") -> WayBack:
    return WayBack(after, None, (after,), verdict, seconds)  # type: ignore[arg-type]


def state(found: Rehearsal | None, *more: e.Event, here: int = 1000, stale: tuple[str, ...] = ()) -> RunState:
    known = [e.ProofRead(START, found, stale)] if found is not None else []
    sized = e.ForecastMade(START, (), (TableSize("users", here, 10),))
    return fold([OPENED, *known, sized, e.WindowOpened(START, "dba1", 3600.0), *more])


def applied(*steps: str) -> e.LedgerRead:
    return e.LedgerRead(START, tuple(e.LedgerStep(one, True, START, "dba1", 1.0, "") for one in steps))


def test_the_window_less_the_way_back_less_a_margin() -> None:
    known = deadline(state(rehearsal(way("1", 100.0)), applied("1")))
    assert known is not None
    assert (known.after, known.back, known.scale, known.margin, known.needs) == ("1", 100.0, 1.0, 50.0, 150.0)
    assert known.at == START + timedelta(seconds=3600 - 150)
    assert not known.stale
    # A way back of a moment still leaves half a minute to decide in.
    short = deadline(state(rehearsal(way("1", 0.4)), applied("1")))
    assert short is not None
    assert short.margin == 30.0


def test_larger_tables_take_longer_and_smaller_ones_no_less() -> None:
    larger = deadline(state(rehearsal(way("1", 100.0)), applied("1"), here=3000))
    assert larger is not None
    assert (larger.scale, larger.margin) == (3.0, 150.0)
    assert larger.at == START + timedelta(seconds=3600 - 450)
    assert scale(state(rehearsal(way("1")), applied("1"), here=10), "1") == 1.0


def test_it_follows_the_last_step_that_is_there_or_under_way() -> None:
    ways = rehearsal(way("1", 100.0), way("2", 200.0))
    assert deadline(state(ways)) is None
    assert deadline(state(ways, applied("1", "2"))).after == "2"  # type: ignore[union-attr]
    running = e.ScriptStarted(START, "2", "2", "forward", ("2",), 1, 11, 1, 4711, "dba1")
    assert deadline(state(ways, applied("1"), running)).after == "2"  # type: ignore[union-attr]
    assert deadline(state(ways), "1").after == "1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("found", "here", "why"),
    [
        (None, 1000, "never rehearsed"),
        (rehearsal(), 1000, "no way back was rehearsed"),
        (rehearsal(way("1", None, "missing")), 1000, "no way back was rehearsed"),
        (rehearsal(way("1", 1.0, "failed")), 1000, "its way back failed in rehearsal"),
        (rehearsal(way("1"), size=0), 1000, "rehearsed without rows"),
    ],
)
def test_what_nobody_knows_is_said_to_be_unknown(found: Rehearsal | None, here: int, why: str) -> None:
    told = deadline(state(found, applied("1"), here=here))
    assert told is not None
    assert (told.at, told.unknown) == (None, why)


def test_without_an_open_window_there_is_none() -> None:
    assert deadline(fold([OPENED, e.ProofRead(START, rehearsal(way("1"))), applied("1")])) is None


def test_a_stale_rehearsal_says_so() -> None:
    told = deadline(state(rehearsal(way("1")), applied("1"), stale=("1",)))
    assert told is not None
    assert told.stale


def test_a_step_that_would_cross_it_is_named_with_both_moments() -> None:
    ways = state(rehearsal(way("1", 100.0)))
    last = START + timedelta(seconds=3600 - 150 - 10)
    assert crossing(ways, "1", last) == ""
    told = crossing(ways, "1", last + timedelta(seconds=1))
    assert told.startswith("1 would end at ")
    assert "going back must begin by " in told
    assert crossing(state(None), "1", last + timedelta(hours=1)) == ""


def test_a_crossed_deadline_is_a_gate_until_it_is_overridden() -> None:
    ways = state(rehearsal(way("1", 100.0)))
    late = ways.apply(e.DeadlineCrossed(START, "1", "1 would end too late"))
    assert late.next_act().gates == ("1 would end too late",)
    assert late.next_act().gate_ids == ("late:1",)
    over = late.apply(e.GateOverridden(START, ("late:1",), "we must", "dba1"))
    assert over.next_act().gates == ()


def test_the_way_that_was_rehearsed() -> None:
    found = rehearsal(way("1"), replace(way("2"), to="1"), way("2"))
    assert rehearsed_way(state(found), "2", "1") == found.ways_back[1]
    assert rehearsed_way(state(found), "2", None) == found.ways_back[2]
    assert rehearsed_way(state(found), "3", None) is None
    assert rehearsed_way(state(None), "2", None) is None


def test_the_table_that_grew_most_counts_and_not_what_is_only_locked() -> None:
    found = rehearsal(way("1", 100.0))
    ref = TakenLock("ref", "AccessExclusiveLock")
    measures = (replace(MEASURES[0], locks=(*MEASURES[0].locks, ref)),)
    steps = tuple(replace(one, statements=measures) for one in found.steps)
    found = replace(found, steps=steps, tables=(TableSize("users", 1000, 10), TableSize("ref", 1_000_000, 9)))
    grown = (TableSize("users", 9000, 90), TableSize("ref", 5_000_000, 9))
    told = fold([OPENED, e.ProofRead(START, found), e.ForecastMade(START, (), grown)])
    assert scale(told, "1") == 9.0


def test_on_a_schema_alone_nothing_is_known_of_time() -> None:
    found = replace(rehearsal(way("1", 1.0), size=8192), place="like")
    assert scale(state(found, applied("1")), "1") is None
    told = deadline(state(found, applied("1")))
    assert told is not None
    assert told.unknown == "rehearsed without rows"


def test_after_the_window_a_step_asks_also_where_no_way_back_is_known() -> None:
    ways = state(rehearsal(way("1", 1.0, "failed")))
    assert crossing(ways, "1", START) == ""
    told = crossing(ways, "1", START + timedelta(seconds=3595))
    assert "after the window" in told
    assert told.endswith("nobody knows: its way back failed in rehearsal")
