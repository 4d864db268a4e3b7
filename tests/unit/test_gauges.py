"""The gauges from made-up samples: bars, limits, who has a place, what is unknown, gone or old; and the rates below."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.engine.rates import RateMeter, Rates
from tui.engine.sample import LockNode, LockTree, Sample
from tui.postgres.rows import Counters, Horizon, Look, Replica, Rights, Session, Slot, Source
from tui.postgres.sources import EVERY, Schedule, too_old
from tui.widgets.degraded import degraded_lines
from tui.widgets.figures import Limits, named
from tui.widgets.gauges import History
from tui.widgets.sparkline import Series, bars

NIGHT = datetime(2026, 11, 21, 1, 31, 7, tzinfo=UTC)
QUIET = LockTree("nobody waits for a lock", (), None, False, None, None, (), 0, None)
RUNNING = Limits(blocked=20, blocked_for=5.0, lag=30.0, window=NIGHT)
FULL = Counters(3 * 10**9, 81000, 34, 200, False, 120, 48 * 10**6, 197)
MB = 10**6


def sample(seconds: float = 0.0, **changes: Any) -> Sample:
    made = Sample(
        at=NIGHT + timedelta(seconds=seconds),
        cost=0.012,
        sessions=(),
        locks=(),
        our_locks=(),
        progress=(),
        replicas=(),
        counters=FULL,
        blocked_sessions=0,
        oldest_wait=None,
        wal_rate=3.1e6,
        transaction_rate=212.0,
        replica_lag=None,
        tree=QUIET,
        temp_rate=0.0,
    )
    return replace(made, **changes)


def replica(name: str, lag: float | None = 0.4, **changes: Any) -> Replica:
    return replace(Replica(name, "10.0.0.7", "streaming", "async", lag, 180_000, 0.1), **changes)


def slot(name: str = "r1", kept: int | None = 16 * MB, **changes: Any) -> Slot:
    return replace(Slot(name, "physical", True, "reserved", kept, None), **changes)


def shown(*samples: Sample, limits: Limits | None = None, width: int = 120, height: int = 3, later: float = 0.0) -> str:
    history = History()
    history.limits = limits or Limits()
    for one in samples:
        history.add(one)
    now = samples[-1].at + timedelta(seconds=later)
    return "\n".join(" ".join(line.text.split()) for line in history.lines(width, now, height))


def roles(*samples: Sample, limits: Limits | None = None, width: int = 120, height: int = 3) -> dict[str, str]:
    """The role of each piece of text."""
    history = History()
    history.limits = limits or Limits()
    for one in samples:
        history.add(one)
    lines = history.lines(width, samples[-1].at, height)
    return {text.strip(): role for line in lines for text, role in line.parts if text.strip()}


class TestBars:
    def series(self, values: Sequence[float | None]) -> Series:
        made = Series()
        for second, value in enumerate(values):
            made.add(NIGHT + timedelta(seconds=second), value)
        return made

    def test_one_cell_is_one_second_where_there_are_enough(self) -> None:
        assert self.series([1.0, 2.0, 3.0]).cells(60)[-3:] == [1.0, 2.0, 3.0]

    def test_few_cells_still_show_a_minute_and_its_peaks(self) -> None:
        values = [0.0] * 120
        values[65] = 9.0
        assert [cell for cell in self.series(values).cells(6) if cell] == [9.0]

    def test_what_is_unknown_is_a_gap(self) -> None:
        cells = self.series([1.0, None, None, 2.0]).cells(60)
        assert cells[-4:] == [1.0, None, None, 2.0]
        assert bars(cells[-4:]) == [("▅  █", False)]

    def test_a_second_without_a_look_is_no_gap_and_a_pause_is(self) -> None:
        made = Series()
        for second in (0, 2, 7):
            made.add(NIGHT + timedelta(seconds=second), 1.0)
        assert made.cells(60)[-8:] == [1.0, 1.0, 1.0, None, None, None, None, 1.0]

    def test_the_highest_of_a_second_stays(self) -> None:
        made = Series()
        for part, value in enumerate([1.0, 5.0, None, 2.0]):
            made.add(NIGHT + timedelta(seconds=part / 4), value)
        assert made.cells(60)[-1] == 5.0

    def test_the_limit_has_always_the_same_height(self) -> None:
        assert bars([20.0], 20.0) == [("▆", False)]
        assert bars([20.0, 1000.0], 20.0) == [("▆", False), ("█", True)]
        assert bars([0.0, 10.0, 21.0, 31.0], 20.0) == [("▁▃", False), ("▇█", True)]

    @given(
        st.lists(st.none() | st.floats(0, 1e15), max_size=400),
        st.integers(0, 100),
        st.none() | st.floats(0, 1e12),
    )
    def test_any_values_fit(self, values: list[float | None], width: int, limit: float | None) -> None:
        runs = bars(self.series(values).cells(width), limit)
        assert sum(len(run) for run, _ in runs) == width


class TestLimits:
    def test_without_a_script_of_ours_everybody_who_is_blocked(self) -> None:
        text = shown(sample(blocked_sessions=3, oldest_wait=2.0))
        assert "blocked" in text
        assert "behind us" not in text
        assert roles(sample(blocked_sessions=3, oldest_wait=2.0))["3"] == "warn"

    def test_while_a_script_of_ours_runs_those_behind_it(self) -> None:
        tree = replace(QUIET, queued=17, oldest=2.1, waiting_for_lock=True)
        looked = sample(blocked_sessions=18, oldest_wait=2.4, tree=tree)
        text = shown(looked, limits=RUNNING)
        assert "behind us ▅ 17/20" in text.replace("  ", " ")
        assert "2.1/5 s" in text
        assert "blocked" not in text
        assert roles(looked, limits=RUNNING)["17/20"] == "warn"

    def test_others_who_wait_for_others_are_not_in_our_queue(self) -> None:
        tree = replace(QUIET, queued=2, oldest=2.1, waiting_for_lock=True)
        text = shown(sample(blocked_sessions=40, tree=tree), limits=RUNNING)
        assert "2/20" in text
        assert "blocked █ 40" in text

    def test_over_the_limit_is_bad_and_so_drawn(self) -> None:
        looked = sample(blocked_sessions=21, tree=replace(QUIET, queued=21, oldest=6.0))
        found = roles(looked, limits=RUNNING)
        assert found["21/20"] == "bad"
        assert found["6.0/5 s"] == "bad"
        assert found["▇"] == "warn"

    def test_a_lag_near_its_limit_names_it(self) -> None:
        assert "0.4 s" in shown(sample(replicas=(replica("r1"),)), limits=RUNNING)
        assert "29.0/30 s" in shown(sample(replicas=(replica("r1", 29.0),)), limits=RUNNING)

    @pytest.mark.parametrize(("used", "role"), [(177, "strong"), (178, "bad"), (197, "bad")])
    def test_connections_have_nine_tenths_of_those_that_are_not_reserved(self, used: int, role: str) -> None:
        looked = sample(counters=replace(FULL, connections=used))
        assert roles(looked)[f"{used}/197"] == role

    @pytest.mark.parametrize("lag", [30_000.0, 3e9])
    @pytest.mark.parametrize("limits", [Limits(), RUNNING])
    def test_a_gauge_too_many_gives_way_before_a_figure_is_cut(self, limits: Limits, lag: float) -> None:
        silent = (replica("rep", lag, reply_seconds=100.0),)
        crowded = sample(
            replicas=silent, blocked_sessions=5000, oldest_wait=99.0, wal_rate=123e6, transaction_rate=123456.0
        )
        crowded = replace(crowded, rollback_rate=1234.0)
        told = shown(crowded, limits=limits, width=80, height=1)
        assert "…" not in told
        assert "100 s old" in told

    @pytest.mark.parametrize("size", [(40, 1), (55, 2), (75, 1), (75, 3), (80, 1), (120, 2), (200, 3)])
    def test_every_row_is_as_wide_as_it_is_told(self, size: tuple[int, int]) -> None:
        history = History()
        history.limits = RUNNING
        history.add(sample(replicas=(replica("複製レプリカ名前" * 3), replica("r2")), slots=(slot("漢字" * 20),)))
        lines = history.lines(size[0], NIGHT, size[1])
        assert [line.cells for line in lines] == [size[0]] * size[1]


class TestPlaces:
    FOUR: ClassVar[dict[str, Any]] = {"width": 80, "height": 1}

    def test_the_four_most_important_where_there_is_one_row(self) -> None:
        text = shown(sample(replicas=(replica("r1"),), slots=(slot(),)), **self.FOUR)
        assert [text.index(name) for name in ("blocked", "WAL", "lag r1", "tps")] == sorted(
            text.index(name) for name in ("blocked", "WAL", "lag r1", "tps")
        )
        assert "slot" not in text

    def test_what_is_not_there_gives_its_place_away(self) -> None:
        text = shown(sample(), **self.FOUR)
        assert "lag" not in text
        assert "oldest" in text

    def test_what_is_over_its_limit_takes_the_place_of_a_quiet_one(self) -> None:
        full = replace(FULL, connections=196)
        text = shown(sample(replicas=(replica("r1"),), counters=full), limits=RUNNING, **self.FOUR)
        assert "196/197" in text
        assert "behind us" in text
        assert "tps" not in text

    def test_where_there_is_room_everything_is_shown(self) -> None:
        looked = sample(
            replicas=(replica("r1"),), slots=(slot(),), horizon=Horizon("session", "report", 4242, 1204, 842.0)
        )
        text = shown(looked, limits=RUNNING, width=120)
        for name in ("behind us", "oldest", "WAL", "lag r1", "tps", "conn", "slot", "xmin", "monitor", "temp"):
            assert name in text
        assert "1 204 tx by 4242, 14:02" in shown(looked, width=200)

    def test_hostile_names_do_not_leave_their_place(self) -> None:
        bad = "[red]\x1b[2J\u202eevil"
        text = shown(sample(replicas=(replica(bad),), slots=(slot(bad),)), width=200)
        assert "\x1b" not in text
        assert "\u202e" not in text


class TestReplicas:
    def test_each_has_its_own_the_worst_first(self) -> None:
        text = shown(sample(replicas=(replica("r1", 0.1), replica("r2", 7.0), replica("r3", None))), width=160)
        assert text.index("lag r2") < text.index("lag r1")
        assert "lag r3 180 kB behind" in text

    def test_alike_names_are_told_apart(self) -> None:
        two = (replica("walreceiver"), replica("walreceiver", client="10.0.0.8"), replica("walreceiver"))
        assert list(named(two)) == ["walreceiver 10.0.0.7", "walreceiver 10.0.0.8", "walreceiver 10.0.0.7#2"]

    def test_one_that_went_away_stays_with_the_time_and_comes_back(self) -> None:
        here, away = sample(0, replicas=(replica("r1"), replica("r2"))), sample(5, replicas=(replica("r2"),))
        text = shown(here, away, replace(away, at=NIGHT + timedelta(seconds=900)), width=80, height=1)
        assert f"lag r1 gone since {away.at.astimezone():%H:%M}" in text
        assert "gone" not in shown(here, away, replace(here, at=NIGHT + timedelta(seconds=10)))

    def test_one_that_only_receives_is_not_missed(self) -> None:
        backup = replica("pg_receivewal", None, replay_lag_bytes=None)
        assert "gone" not in shown(sample(replicas=(backup,)), sample(1))

    def test_where_the_source_fails_nobody_is_gone_and_the_last_lag_has_its_age(self) -> None:
        slow = Source("replication", "too slow: no answer within 1 s", NIGHT)
        text = shown(sample(replicas=(replica("r1"),)), sample(12, missing=(slow,)), width=120)
        assert "lag r1 0.4 s, 12 s old" in text
        assert "gone" not in text
        assert "3.1 MB/s" in text

    def test_one_that_says_nothing_has_an_old_lag(self) -> None:
        assert "0.4 s, 31 s old" in shown(sample(replicas=(replica("r1", reply_seconds=31.0),)), width=160)

    def test_what_our_role_may_not_see_is_said(self) -> None:
        hidden = replica("r1", None, state="", replay_lag_bytes=None, reply_seconds=None)
        assert "lag r1 hidden" in shown(sample(replicas=(hidden,)))


class TestSlots:
    def test_the_one_that_keeps_the_most(self) -> None:
        text = shown(sample(slots=(slot("a", 5 * MB), slot("b", 900 * MB, active=False))), width=200)
        assert "900 MB inactive: b" in text

    @pytest.mark.parametrize("status", ["unreserved", "lost"])
    def test_a_lost_one_comes_before_all_in_red(self, status: str) -> None:
        ill = slot("ill", None if status == "lost" else 10 * MB, wal_status=status)
        looked = sample(slots=(slot("b", 900 * MB), ill))
        text = shown(looked, width=80, height=1)
        assert status in text
        assert [role for piece, role in roles(looked).items() if status in piece] == ["bad"]

    def test_near_its_limit_it_names_it(self) -> None:
        assert "900 MB/1.0 GB" in shown(sample(slots=(slot("b", 900 * MB, limit_bytes=1000 * MB),)))
        over = slot("b", 68 * MB, limit_bytes=67 * MB, active=False)
        assert "68.0/67.0 MB" in shown(sample(slots=(over,)), width=80, height=1)
        assert "68.0/67.0 MB: b, inactive" in shown(sample(slots=(over,)), width=200)


class TestOthers:
    def test_temporary_files_since_the_window_opened(self) -> None:
        first, then = sample(), sample(60, counters=replace(FULL, temp_bytes=60 * MB), temp_rate=2e6)
        opened = f"since {NIGHT.astimezone():%H:%M}"
        assert f"2.0 MB/s, 12.0 MB {opened}" in shown(first, then, limits=RUNNING, width=200)
        assert "since" not in shown(first, then, width=200)

    def test_temporary_files_after_the_counters_were_reset(self) -> None:
        reset = sample(60, counters=replace(FULL, temp_bytes=1 * MB))
        more = sample(120, counters=replace(FULL, temp_bytes=3 * MB))
        opened = f"{reset.at.astimezone():%H:%M}"
        assert f"2.0 MB since {opened}" in shown(sample(), reset, more, limits=RUNNING, width=200)

    def test_the_oldest_xmin_is_a_least_one_where_sessions_are_hidden(self) -> None:
        held = Horizon("prepared transaction", "night", None, 20_400, 5.0)
        assert "20 k tx by prepared night, 0:05" in shown(sample(horizon=held), width=200)
        assert "≥ 20 k tx" in shown(sample(horizon=held, hidden=41))

    def test_the_monitors_own_cost(self) -> None:
        looked = sample(made_in=0.003)
        assert "12+3 of 250 ms, 6 %" in shown(looked)
        assert "15 ms, 6 %" in shown(looked, width=75)
        heavy = sample(cost=0.18, rarely=2.0)
        assert "180/250 ms" in shown(heavy, width=80, height=1)

    def test_without_a_monitor_it_is_said_once(self) -> None:
        lost = Source("monitor", "the server closed the connection", NIGHT - timedelta(seconds=12))
        text = shown(sample(), sample(counters=None, missing=(lost,)), height=3)
        assert text.count("monitor n/a for 0:12") == 1
        assert text.split("\n")[1:] == ["", ""]

    def test_what_was_never_known_says_why(self) -> None:
        slow = Source("counters", "too slow: no answer within 1 s", NIGHT)
        text = shown(sample(counters=None, wal_rate=None, transaction_rate=None, temp_rate=None, missing=(slow,)))
        assert "WAL n/a too slow" in text
        assert "blocked" in text


class TestPace:
    def test_once_a_second_and_progress_each_time(self) -> None:
        pace = Schedule()
        assert set(pace.due(0.0)) == set(EVERY)
        assert [pace.due(now) for now in (0.25, 0.5, 0.75)] == [["progress"]] * 3
        assert set(pace.due(1.0)) == set(EVERY) - {"rights"}

    def test_looks_a_second_apart_leave_none_out(self) -> None:
        pace = Schedule()
        assert all("slots" in pace.due(second - 0.01 * (second % 2)) for second in range(20))

    def test_heavy_looks_make_what_can_wait_rarer_and_light_ones_usual(self) -> None:
        pace = Schedule()
        pace.took(0.2, 0.25)
        assert pace.rarely is None
        pace.took(0.2, 0.25)
        assert pace.rarely == 2.0
        pace.due(0.0)
        assert pace.due(1.5) == []
        assert "progress" in pace.due(2.0)
        for _ in range(10):
            pace.took(0.2, 0.25)
        assert pace.rarely == 4.0
        for _ in range(60):
            pace.took(0.01, 0.25)
        assert pace.rarely is None

    def test_it_does_not_swing(self) -> None:
        pace = Schedule()
        for cost in [0.2, 0.2, *[0.01] * 19, 0.1]:
            pace.took(cost, 0.25)
        assert pace.rarely == 2.0

    def test_the_same_cost_is_light_where_looks_are_a_second_apart(self) -> None:
        pace = Schedule()
        for _ in range(10):
            pace.took(0.2, 1.0)
        assert pace.rarely is None


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (180004, ""),
        (140000, ""),
        (139999, "PostgreSQL 13 is too old"),
        (130012, "PostgreSQL 13 is too old"),
        (90624, "PostgreSQL 9.6 is too old"),
    ],
)
def test_which_servers_are_too_old(version: int, told: str) -> None:
    assert too_old(version).startswith(told)
    assert bool(too_old(version)) == bool(told)


class TestDegraded:
    RIGHTS = Rights("app", False, False)

    def said(self, looked: Sample, *, acts: bool = True) -> list[str]:
        return [line.text.strip() for line in degraded_lines(looked, 110, acts=acts)]

    def tree(self, user: str) -> LockTree:
        session = Session(
            4242, None, NIGHT, user, "app", "web", "", "active", "", "", 1.0, 1.0, None, "client backend", "SELECT 1"
        )
        return replace(QUIET, roots=(LockNode(4242, session, "web", (), None, None, False, False, False),))

    def test_nothing_where_nothing_is_missing(self) -> None:
        assert self.said(sample(rights=Rights("dba", True, True), tree=self.tree("other"))) == []

    def test_hidden_sessions_are_counted_and_the_grant_named(self) -> None:
        looked = sample(hidden=41, rights=self.RIGHTS)
        assert self.said(looked) == ["41 sessions of other roles hidden: GRANT pg_read_all_stats TO app"]
        odd = sample(hidden=1, rights=Rights('A "b"', False, False))
        assert self.said(odd) == ['1 session of other roles hidden: GRANT pg_read_all_stats TO "A ""b"""']

    def test_who_may_not_signal_is_told_where_it_matters(self) -> None:
        told = "app may not end other roles' sessions: GRANT pg_signal_backend TO app"
        assert self.said(sample(rights=self.RIGHTS, tree=self.tree("other"))) == [told]
        assert self.said(sample(rights=self.RIGHTS, tree=self.tree("app"))) == []
        assert self.said(sample(rights=self.RIGHTS, tree=self.tree("other")), acts=False) == []

    def test_each_source_in_its_place_and_once(self) -> None:
        sources = [Source(name, "a catalog is locked", NIGHT) for name in ("blocking", "waiting", "counters")]
        at = f"{NIGHT.astimezone():%H:%M:%S}"
        assert self.said(sample(missing=tuple(sources))) == [
            f"who waits for whom is not known since {at}: a catalog is locked"
        ]

    def test_a_monitor_that_takes_long_says_what_it_leaves_out(self) -> None:
        told = "monitor 180 ms of 250 ms: progress, replication, slots and xmin every 2 s"
        assert self.said(sample(cost=0.18, rarely=2.0)) == [told]
        after = "monitor took too long, 12 ms of 250 ms now: progress, replication, slots and xmin every 4 s"
        assert self.said(sample(rarely=4.0)) == [after]


class TestRates:
    def look(self, seconds: float, own: int = 0, **counters: Any) -> Look:
        made = replace(FULL, **{"wal_bytes": 0, "transactions": 0, "rollbacks": 0, "temp_bytes": 0} | counters)
        return Look(NIGHT + timedelta(seconds=seconds), 0.01, counters=made, own_transactions=own)

    def test_against_a_look_at_least_a_second_before(self) -> None:
        meter = RateMeter()
        assert meter.add(self.look(0)) == Rates()
        for quarter in range(1, 8):
            meter.add(self.look(quarter / 4, wal_bytes=quarter * 100))
        then = meter.add(self.look(2, own=3, wal_bytes=800, transactions=13, rollbacks=4, temp_bytes=50))
        assert then == Rates(400, 10, 4, 50)

    def test_a_counter_that_went_back_is_unknown_and_no_zero(self) -> None:
        meter = RateMeter()
        meter.add(self.look(0, wal_bytes=10**9, transactions=50))
        assert meter.add(self.look(1, wal_bytes=100, transactions=60)) == Rates(None, 10, 0, 0)

    def test_nothing_is_compared_over_a_gap_or_another_connection(self) -> None:
        meter = RateMeter()
        meter.add(self.look(0, own=5))
        assert meter.add(replace(self.look(1), counters=None)) == Rates()
        assert meter.add(self.look(2, own=7)) == Rates()
        assert meter.add(self.look(3, own=1, wal_bytes=10**9)) == Rates()
        assert meter.add(self.look(4, own=2, wal_bytes=2 * 10**9)).wal == 10**9
