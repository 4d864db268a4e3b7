"""The console where the monitor sees only a part: what is not known is said in its place and is never a zero."""

from dataclasses import replace
from datetime import timedelta

import pytest
from scenes import NIGHT, QUIET, console, in_006, sample, samples, show, two_done, waiting_tree

from tui.engine.sample import Sample
from tui.postgres.rows import Rights, Source
from tui.widgets.lines import Lines

HOME, SMALL = (120, 40), (80, 24)


async def panes(size: tuple[int, int], looks: list[Sample], running: bool = True) -> tuple[str, str]:
    """What the locks' pane and the gauges say."""
    app, _ = console()
    async with app.run_test(size=size) as pilot:
        await show(app, pilot, in_006() if running else two_done(), looks)
        screen = app.console_screen
        return tuple(" ".join(screen.query_one(one, Lines).text.split()) for one in ("#locks", "#gauges"))  # type: ignore[return-value]


@pytest.mark.parametrize("size", [HOME, SMALL], ids=["120x40", "80x24"])
async def test_who_waits_is_not_known(size: tuple[int, int]) -> None:
    slow = Source("blocking", "too slow: no answer within 1 s", NIGHT - timedelta(seconds=3))
    locks, gauges = await panes(
        size, [*samples()[:-1], sample(blocked_sessions=None, oldest_wait=None, missing=(slow,))]
    )
    assert locks.count("who waits for whom is not known since 01:44:09: too slow: no answer within 1 s") == 1
    assert "nobody waits" not in locks
    assert "behind us 0/20, 1 s old" in gauges
    assert "WAL" in gauges


async def test_sessions_are_not_known() -> None:
    locked = Source("activity", "a catalog is locked", NIGHT)
    locks, gauges = await panes(HOME, [sample(sessions=(), missing=(locked,))], running=False)
    assert "the sessions are not known since 01:44:12: a catalog is locked" in locks
    assert "0 sessions" not in locks
    assert "blocked" in gauges


async def test_rights_that_are_missing_are_said_once_beside_the_tree() -> None:
    rights = Rights("deploy", False, False)
    tree = waiting_tree()
    locks, _ = await panes(HOME, [*samples(tree)[:-1], sample(tree, hidden=41, rights=rights)])
    assert locks.count("41 sessions of other roles hidden: GRANT pg_read_all_stats TO deploy") == 1
    assert locks.count("deploy may not end other roles' sessions: GRANT pg_signal_backend TO deploy") == 1
    assert "4242 billing_report" in locks


@pytest.mark.parametrize("size", [HOME, SMALL], ids=["120x40", "80x24"])
async def test_what_is_over_its_limit_is_on_the_screen_at_any_size(size: tuple[int, int]) -> None:
    full = replace(sample().counters, connections=196)  # type: ignore[type-var]
    _, gauges = await panes(size, [sample(counters=full)])
    assert "196/197" in gauges


async def test_a_monitor_that_takes_long_says_so() -> None:
    looks = [sample(QUIET, cost=0.18, rarely=2.0)]
    locks, gauges = await panes(SMALL, looks)
    assert "monitor 181 ms of 250 ms: progress, replication, slots and xmin every 2 s" in locks
    assert "181/250 ms" in gauges
