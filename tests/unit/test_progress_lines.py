"""Progress in words: what the server counts and no more, on 75, 80 and 120 columns."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.engine.progress import Pace, paces
from tui.engine.sample import LockTree, Sample
from tui.postgres.rows import Progress, Session
from tui.widgets.progress import progress_lines

START = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
US = 5131
SCAN = Progress(US, "CREATE INDEX", "profiles", "building index: scanning table", 0, 40960, "blocks", None)
OLD = "waiting for old snapshots"
WAITS = Progress(US, "CREATE INDEX CONCURRENTLY", "profiles", OLD, 0, 1, "sessions", 4242)
VACUUM = Progress(6001, "VACUUM", "app.orders", "vacuuming heap", 0, 120000, "blocks", None)
COPY = Progress(6001, "COPY FROM", "orders", "file", 0, 1_100_000_000, "bytes", None, parts="rows")
QUIET = LockTree("", (), US, False, None, None, (), 0, None)


def session(pid: int, name: str, state: str = "active", kind: str = "client backend") -> Session:
    return Session(pid, None, None, "app", "app", name, "", state, "", "", 842.0, 842.0, None, kind, "SELECT 1")


SESSIONS = (
    session(US, "lockstep runner"),
    session(4242, "billing_report", "idle in transaction"),
    session(6001, "nightly"),
    session(6002, "", kind="autovacuum worker"),
)


def seen(progress: Progress, *looks: tuple[float, int | None]) -> Sample:
    """The sample after these counts were seen at these seconds."""
    known: dict[int, Pace] = {}
    for at, done in looks:
        known = paces(known, START + timedelta(seconds=at), [replace(progress, done=done)])
    last = known[progress.pid].progress
    return Sample(START, 0.0, SESSIONS, (), (), (last,), (), None, 0, None, None, None, None, QUIET, paces=known)


def shown(progress: Progress, *looks: tuple[float, int | None], width: int = 120) -> list[str]:
    lines = progress_lines(seen(progress, *looks), None, width)
    assert all(line.cells <= width for line in lines)
    return [line.text.strip() for line in lines]


def test_what_is_ours_has_phase_percent_figures_rate_and_estimate() -> None:
    assert shown(SCAN, (0, 12000), (2, 12200), (4, 12400)) == [
        "CREATE INDEX profiles   phase 2 of 4: building index: scanning table",
        "██████░░░░░░░░░░░░░░  30 % of phase, ~5 min left   12 400 of 40 960 blocks   100/s",
    ]


def test_the_same_on_a_small_screen() -> None:
    assert shown(SCAN, (0, 12000), (2, 12200), (4, 12400), width=75) == [
        "CREATE INDEX profiles   phase 2 of 4: building index: scanning table",
        "██░░░░░░  30 % of phase, ~5 min left  12 400 of 40 960 blocks  100/s",
    ]


def test_an_estimate_waits_for_a_rate() -> None:
    assert shown(SCAN, (0, 12000), (1, 12400))[1].endswith("30 % of phase   12 400 of 40 960 blocks")


def test_a_standstill_is_said_instead_of_an_estimate() -> None:
    moving = [(at, 12000 + at * 100) for at in range(5)]
    line = shown(SCAN, *moving, *((at, 12400) for at in range(5, 17)))[1]
    assert line.endswith("30 % of phase   12 400 of 40 960 blocks   no progress for 12 s")


def test_a_phase_that_counts_nothing_shows_how_long_it_takes() -> None:
    sorting = replace(SCAN, phase="building index: sorting live tuples", done=None, total=None, unit="")
    assert shown(sorting, (0, None), (72, None)) == [
        "CREATE INDEX profiles   phase 3 of 4: building index: sorting live tuples, 1:12"
    ]
    assert shown(sorting, (0, None)) == ["CREATE INDEX profiles   phase 3 of 4: building index: sorting live tuples"]


def test_whom_it_waits_for_is_named() -> None:
    assert shown(WAITS, (0, 0), (9, 0)) == [
        "CREATE INDEX CONCURRENTLY profiles   waiting for old snapshots",
        "waits for 1 of 1: 4242 (billing_report, idle in transaction, 14:02)",
    ]
    assert shown(replace(WAITS, waits_for_pid=99), (0, 0))[1] == "waits for 1 of 1: 99"
    assert shown(replace(WAITS, waits_for_pid=None), (0, 1))[1] == "waited for 1 of 1 sessions"
    assert shown(replace(WAITS, waits_for_pid=None, total=None), (0, 0)) == [
        "CREATE INDEX CONCURRENTLY profiles   waiting for old snapshots"
    ]


def test_what_others_do_says_who_they_are() -> None:
    looks = ((0.0, 80000), (10.0, 88000))
    cycle = replace(VACUUM, parts_done=1, parts="index vacuum cycles")
    assert shown(cycle, *looks) == [
        "6001 nightly  VACUUM app.orders   phase 4 of 7: vacuuming heap",
        "██████████████░░░░░░  73 % of phase, ~40 s left   88 000 of 120 000 blocks   800/s   1 index vacuum cycle",
    ]
    assert shown(replace(VACUUM, pid=6002), *looks)[0].startswith("6002 autovacuum worker  VACUUM app.orders")
    assert shown(replace(VACUUM, pid=7), *looks)[0].startswith("7  VACUUM app.orders")


def test_copy_has_no_phases_and_says_what_it_skips() -> None:
    copy = replace(COPY, parts_done=2_300_000, skipped=12)
    assert shown(copy, (0, 400_000_000), (4, 412_000_000)) == [
        "6001 nightly  COPY FROM orders   file",
        "███████░░░░░░░░░░░░░  37 %, ~4 min left   412 MB of 1.1 GB   3.0 MB/s"
        "   12 rows skipped as malformed   2 300 000 rows",
    ]
    client = replace(COPY, phase="pipe", total=None, unit="rows", parts="bytes", parts_done=412_000_000)
    assert shown(client, (0, 2_300_000))[1] == "2 300 000 rows   412 MB"


def test_parts_of_the_whole_stand_with_the_command() -> None:
    whole = replace(SCAN, parts_done=1, parts_total=3, parts="partitions", part="part1")
    assert shown(whole, (0, 40960)) == [
        "CREATE INDEX profiles (part1), 1 of 3 partitions done   phase 2 of 4: building index: scanning table",
        "████████████████████  100 % of phase   40 960 of 40 960 blocks",
    ]
    assert shown(whole, (0, 40960), width=75)[:2] == [
        "CREATE INDEX profiles (part1), 1 of 3 partitions done",
        "phase 2 of 4: building index: scanning table",
    ]
    assert shown(replace(SCAN, part="profiles_name_idx"), (0, 0), width=75)[0] == (
        "CREATE INDEX profiles   phase 2 of 4: building index: scanning table"
    )
    assert shown(SCAN, (0, 0), width=60)[0] == "CREATE INDEX profiles   phase 2 of 4: scanning table"


def test_nothing_is_more_than_all() -> None:
    assert shown(SCAN, (0, 50000))[1] == "████████████████████  100 % of phase   40 960 of 40 960 blocks"


def test_almost_all_is_not_all() -> None:
    assert " 99 % of phase" in shown(SCAN, (0, 40959))[1]


def test_what_is_hidden_is_said_to_be() -> None:
    hidden = Progress(7, "CREATE INDEX or REINDEX", "", "", None, None, "", None)
    assert shown(hidden, (0, None)) == ["7  CREATE INDEX or REINDEX   hidden from our role"]


def test_only_those_that_are_asked_for() -> None:
    sample = seen(VACUUM, (0, 10))
    assert progress_lines(sample, {US}, 80) == []
    assert progress_lines(sample, {US, 6001}, 80) == progress_lines(sample, None, 80)
    assert progress_lines(sample, set(), 80) == []


def test_a_sample_without_a_pace_still_has_its_figures() -> None:
    sample = replace(seen(VACUUM, (0, 60000)), paces={})
    assert [line.text.strip() for line in progress_lines(sample, None, 80)] == [
        "6001 nightly  VACUUM app.orders   vacuuming heap",
        "██████░░░░░░░  50 % of phase   60 000 of 120 000 blocks",
    ]


text = st.text(max_size=60)
counts = st.none() | st.integers(0, 2**63 - 1)
anything = st.builds(
    Progress,
    st.sampled_from([US, 6001, 7]),
    text,
    text,
    text,
    counts,
    counts,
    st.sampled_from(["blocks", "rows", "bytes", "sessions", "indexes", ""]),
    st.none() | st.integers(1, 2**31),
    text,
    counts,
    counts,
    text,
    counts,
    st.none() | st.floats(0, 1e9),
)


@given(
    anything, st.lists(st.tuples(st.floats(0, 60), counts), min_size=1, max_size=5), st.sampled_from([40, 75, 80, 120])
)
def test_any_row_fits_and_is_safe(progress: Progress, looks: list[tuple[float, int | None]], width: int) -> None:
    lines = progress_lines(seen(progress, *looks), None, width)
    assert 1 <= len(lines) <= 8
    for line in lines:
        assert line.cells <= width
        assert "\x1b" not in line.text


@pytest.mark.parametrize("width", [75, 80, 120])
def test_every_row_is_within_its_width(width: int) -> None:
    for progress in (SCAN, WAITS, VACUUM, COPY):
        for done in (0, 1, 39_999, 2**62):
            shown(replace(progress, part="a_name_that_is_rather_long_for_an_index"), (0, 0), (9, done), width=width)
