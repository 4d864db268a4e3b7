"""The pace of a command from made-up looks: whatever the server counts, no figure is out of bounds or made up."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.engine.progress import Pace, in_phases, paces, percent
from tui.postgres.rows import Progress

START = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
SCAN = Progress(4242, "CREATE INDEX", "t", "building index: scanning table", 0, 1000, "blocks", None)

counts = st.none() | st.integers(0, 2**63 - 1)
made_up = st.builds(
    Progress,
    st.integers(1, 3),
    st.sampled_from(["CREATE INDEX", "VACUUM", "COPY FROM", "CLUSTER", "something new"]),
    st.sampled_from(["t", "u"]),
    st.sampled_from(["scanning heap", "building index: scanning table", "pipe", "rebuilding index", "", "new phase"]),
    counts,
    counts,
    st.sampled_from(["blocks", "rows", "bytes", "sessions", "indexes", ""]),
    st.none(),
)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def seen(*looks: tuple[float, int | None], of: Progress = SCAN) -> Pace:
    """What is known once these counts were seen at these seconds."""
    known: dict[int, Pace] = {}
    for at, done in looks:
        known = paces(known, after(at), [replace(of, done=done)])
    return known[of.pid]


def phases(command: str, *names: str) -> list[tuple[int | None, int | None]]:
    """Which phase of how many each of these is told to be, one after the other."""
    known: dict[int, Pace] = {}
    told = []
    for at, name in enumerate(names):
        known = paces(known, after(at), [replace(SCAN, command=command, phase=name)])
        told.append((known[SCAN.pid].number, known[SCAN.pid].of))
    return told


@given(st.lists(st.tuples(st.floats(-5, 60), st.lists(made_up, max_size=3)), max_size=30))
def test_no_figure_is_out_of_bounds(looks: list[tuple[float, list[Progress]]]) -> None:
    known: dict[int, Pace] = {}
    at = START
    for seconds, rows in looks:
        at += timedelta(seconds=seconds)
        known = paces(known, at, rows)
        assert set(known) == {row.pid for row in rows}
        for pace in known.values():
            full = percent(pace.progress)
            assert full is None or 0 <= full <= 100
            assert full is None or (pace.progress.done is not None and pace.progress.total)
            assert pace.rate is None or (pace.rate >= 0 and math.isfinite(pace.rate))
            assert pace.left is None or (pace.left >= 0 and math.isfinite(pace.left))
            assert pace.still is None or pace.still > 0
            assert pace.seconds >= 0
            assert pace.number is None or 1 <= pace.number <= (pace.of or 20)
            assert len(pace.points) <= 31


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=200), st.integers(0, 10**9))
def test_a_count_that_only_grows_is_never_slower_than_nothing(steps: list[int], total: int) -> None:
    done, known = 0, dict[int, Pace]()
    for tick, step in enumerate(steps):
        done += step
        known = paces(known, after(tick / 4), [replace(SCAN, done=done, total=total)])
    pace = known[SCAN.pid]
    # The window is 15 s: at four looks a second there are no more points in it.
    assert len(pace.points) <= 61
    assert pace.left is None or pace.left * (pace.rate or 0) == pytest.approx(total - done)


def test_the_percent_of_what_is_not_counted_is_unknown() -> None:
    assert percent(replace(SCAN, done=None)) is None
    assert percent(replace(SCAN, total=None)) is None
    assert percent(replace(SCAN, total=0)) is None
    assert percent(replace(SCAN, done=250)) == 25
    assert percent(replace(SCAN, done=1001)) == 100


def test_a_rate_is_told_once_it_was_seen_for_long_enough() -> None:
    assert seen((0, 0)).rate is None
    assert seen((0, 0), (2.75, 275)).rate is None
    pace = seen((0, 0), (2.75, 275), (3, 300))
    assert pace.rate == 100
    assert pace.left == 7


def test_a_rate_is_that_of_the_last_seconds() -> None:
    slow = [(at / 4, at) for at in range(80)]
    fast = [(20 + at / 4, 80 + at * 5) for at in range(80)]
    pace = seen(*slow, *fast)
    assert pace.rate == pytest.approx(20)


def test_a_stall_is_told_and_ends_the_estimate() -> None:
    moving = [(at, at * 10) for at in range(5)]
    assert seen(*moving, (8, 40)).still is None
    stalled = seen(*moving, *((4 + at, 40) for at in range(1, 25)))
    assert stalled.still == 24
    assert stalled.rate == 0
    assert stalled.left is None
    again = seen(*moving, *((4 + at, 40) for at in range(1, 25)), (29, 50))
    assert again.still is None
    assert again.left is not None


def test_what_is_counted_to_its_end_does_not_stand_still() -> None:
    pace = seen((0, 900), (4, 1000), (60, 1000))
    assert percent(pace.progress) == 100
    assert pace.still is None
    assert pace.left is None


def test_indexes_and_sessions_have_no_pace() -> None:
    for unit in ("indexes", "sessions", "statistics", ""):
        pace = seen((0, 1), (60, 2), (120, 2), of=replace(SCAN, unit=unit))
        assert pace.rate is None
        assert pace.left is None
        assert pace.still is None


def test_a_count_that_goes_back_begins_anew() -> None:
    pace = seen((0, 100), (4, 900), (5, 10))
    assert pace.rate is None
    assert pace.seconds == 5
    assert seen((0, 100), (4, 900), (5, 10), (8, 40)).rate == 10


def test_another_phase_begins_anew() -> None:
    known = paces({}, after(0), [replace(SCAN, done=500)])
    known = paces(known, after(4), [replace(SCAN, done=900)])
    loading = replace(SCAN, phase="building index: loading tuples in tree", done=950, unit="rows")
    pace = paces(known, after(5), [loading])[SCAN.pid]
    assert pace.rate is None
    assert pace.seconds == 0


def test_a_total_that_grows_only_moves_the_end() -> None:
    known: dict[int, Pace] = {}
    for at in range(10):
        known = paces(known, after(at), [replace(SCAN, done=at * 100, total=1000 + at * 100)])
    assert known[SCAN.pid].left == pytest.approx(10)


def test_a_clock_that_is_set_back_begins_anew() -> None:
    pace = seen((100, 0), (104, 400), (3, 410))
    assert pace.rate is None
    assert pace.seconds == 0


def test_who_is_gone_is_forgotten() -> None:
    known = paces({}, after(0), [SCAN, replace(SCAN, pid=7)])
    assert set(paces(known, after(1), [SCAN])) == {SCAN.pid}


def test_vacuum_has_seven_phases() -> None:
    order = ("scanning heap", "vacuuming indexes", "vacuuming heap", "scanning heap", "performing final cleanup")
    assert phases("VACUUM", *order) == [(2, 7), (3, 7), (4, 7), (2, 7), (7, 7)]


def test_the_phases_of_an_index_are_those_of_its_access_method() -> None:
    btree = ("initializing", "building index: initializing", "building index: scanning table")
    rest = ("building index: sorting live tuples", "building index: sorting dead tuples")
    loading = "building index: loading tuples in tree"
    told = phases("CREATE INDEX", *btree, *rest, loading)
    assert told == [(1, None), (2, 4), (2, 4), (3, 4), (3, 4), (4, 4)]
    assert phases("CREATE INDEX", "initializing", "building index") == [(1, None), (2, 2)]


def test_a_phase_is_numbered_only_where_its_order_can_be_told() -> None:
    wait, snapshots = "waiting for writers before build", "waiting for old snapshots"
    assert phases("CREATE INDEX CONCURRENTLY", wait) == [(2, None)]
    assert phases("CREATE INDEX CONCURRENTLY", snapshots) == [(None, None)]
    build = "building index: scanning table"
    assert phases("CREATE INDEX CONCURRENTLY", wait, build, snapshots) == [(2, None), (3, 10), (10, 10)]
    assert phases("CREATE INDEX CONCURRENTLY", "building index", snapshots) == [(3, 8), (8, 8)]
    assert phases("REINDEX CONCURRENTLY", build, "waiting for readers before dropping") == [(3, 12), (12, 12)]


def test_a_reindex_goes_on_with_an_index_of_another_kind() -> None:
    btree, hash_ = "building index: loading tuples in tree", "building index"
    assert phases("REINDEX", btree, "initializing", hash_) == [(4, 4), (1, None), (2, 2)]


def test_cluster_by_index_and_by_sorting_are_told_apart() -> None:
    swap = "swapping relation files"
    assert phases("CLUSTER", swap) == [(None, None)]
    assert phases("CLUSTER", "initializing", "index scanning heap", swap) == [(1, None), (2, 5), (3, 5)]
    assert phases("CLUSTER", "seq scanning heap", "sorting tuples", swap) == [(2, 7), (3, 7), (5, 7)]
    assert phases("VACUUM FULL", "seq scanning heap", swap) == [(2, 5), (3, 5)]


def test_what_is_not_known_has_no_number() -> None:
    assert phases("VACUUM", "a phase of tomorrow") == [(None, None)]
    assert phases("COPY FROM", "pipe") == [(None, None)]
    assert phases("", "") == [(None, None)]
    assert not in_phases(replace(SCAN, command="COPY FROM"))
