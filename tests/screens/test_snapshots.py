"""The moments of a night as pictures, at the sizes that the console is made for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from rehearsed import (
    LATE,
    LOST,
    SRE,
    back,
    broken,
    done_as_rehearsed,
    in_the_way,
    late,
    lock,
    lossy,
    mixed_proofs,
    never,
    proven,
    rehearsed_in_006,
    to_come,
    too_late,
    waits,
)
from scenes import (
    BUILDING,
    NIGHT,
    QUIET,
    SQL_006,
    RecordingRun,
    abandoned,
    accepted,
    backfill,
    backoff,
    blind,
    building,
    changed,
    checklist,
    console,
    cut_off,
    doubt,
    failed,
    finished,
    in_006,
    leftover,
    much_left,
    paused_backfill,
    red,
    reopened,
    repairing,
    rolled_back,
    sample,
    samples,
    session,
    show,
    still_runs,
    waiting_tree,
    watching,
    window_open,
)
from textual.pilot import Pilot
from textual.widgets import Input

from tui.engine import events as e
from tui.engine.progress import Pace, paces
from tui.engine.sample import Sample

SMALL, HOME, LARGE = (80, 24), (120, 40), (200, 60)


@dataclass(frozen=True)
class Moment:
    events: Callable[[], list[e.Event]]
    looks: Callable[[], list[Sample]] = samples
    size: tuple[int, int] = HOME
    keys: tuple[str, ...] = ()
    theme: str = "lockstep-dark"
    at: datetime = NIGHT
    run: Callable[[RecordingRun], None] = lambda run: None


def queue() -> list[Sample]:
    return samples(waiting_tree())


def indexing() -> list[Sample]:
    """Our index is built, and seen for long enough to know how fast."""
    known: dict[int, Pace] = {}
    for at, done in ((-4, 12000), (-2, 12200), (0, 12400)):
        known = paces(known, NIGHT + timedelta(seconds=at), [replace(BUILDING, done=done)])
    return [*samples(), sample(QUIET, progress=(BUILDING,), paces=known)]


def theirs() -> list[Sample]:
    """The script that is watched waits for a lock."""
    runs = session(5131, "lockstep runner", SQL_006, "active", 7.0)
    looks = samples(waiting_tree())
    return [*looks[:-1], replace(looks[-1], sessions=(*looks[-1].sessions, runs))]


def lost() -> list[Sample]:
    return [*samples(), blind()]


def at_both(name: str, moment: Moment) -> dict[str, Moment]:
    return {f"{name}_home": moment, f"{name}_small": replace(moment, size=SMALL)}


def unforeseen() -> list[Sample]:
    return waits(lock("iso_agents", SRE))


MOMENTS = {
    **at_both("forecast", Moment(to_come, in_the_way)),
    **at_both("forecast_by_rule", Moment(never, in_the_way)),
    **at_both("forecast_running", Moment(rehearsed_in_006, unforeseen)),
    **at_both("proofs", Moment(mixed_proofs, keys=("up",))),
    "proofs_small_list": Moment(mixed_proofs, size=SMALL, keys=("l",)),
    "proof_stale": Moment(mixed_proofs),
    "proof_failed": Moment(mixed_proofs, keys=("down",)),
    **at_both("late_gate", Moment(late, keys=("enter",), at=LATE)),
    **at_both("roll_back_proven", Moment(rehearsed_in_006, waits, keys=("R",), run=proven)),
    **at_both("roll_back_lossy", Moment(rehearsed_in_006, waits, keys=("R",), run=lossy)),
    **at_both("roll_back_failed", Moment(rehearsed_in_006, waits, keys=("R",), run=broken)),
    "roll_back_too_late": Moment(rehearsed_in_006, waits, keys=("R",), run=too_late),
    "done_as_rehearsed": Moment(done_as_rehearsed),
    "identical_home": Moment(back),
    **at_both("not_identical", Moment(lambda: back(*LOST))),
    "not_compared": Moment(lambda: back(error="permission denied for table lockstep.fingerprint")),
    **at_both("watching", Moment(watching, theirs)),
    **at_both("abandoned", Moment(abandoned)),
    **at_both("take_over", Moment(abandoned, keys=("enter",))),
    **at_both("leftover", Moment(leftover)),
    **at_both("repair", Moment(leftover, keys=("enter",))),
    **at_both("repairing", Moment(repairing)),
    **at_both("doubt", Moment(doubt)),
    **at_both("still_runs", Moment(still_runs)),
    **at_both("backfill", Moment(backfill)),
    **at_both("throttled", Moment(lambda: backfill("replica 41 s behind"))),
    **at_both("paused_backfill", Moment(paused_backfill)),
    **at_both("cut_off", Moment(cut_off, lost)),
    **at_both("changed", Moment(changed)),
    **at_both("changed_gate", Moment(changed, keys=("enter",))),
    **at_both("changed_roll_back", Moment(changed, keys=("R",))),
    **at_both("accepted", Moment(accepted, keys=("up",))),
    **at_both("quit_building", Moment(building, keys=("q",))),
    **at_both("cancel_building", Moment(building, keys=("c",))),
    **at_both("quit_backfill", Moment(backfill, keys=("q",))),
    "repair_long_small": Moment(much_left, size=SMALL, keys=("enter", "pagedown")),
    "done_looked_away": Moment(finished, keys=("up", "up")),
    "backfill_large": Moment(backfill, size=LARGE),
    "watching_large": Moment(watching, theirs, size=LARGE),
    "checklist_home": Moment(checklist),
    "checklist_small": Moment(checklist, size=SMALL),
    "window_open_home": Moment(window_open),
    **at_both("running", Moment(lambda: in_006(1), indexing)),
    "waiting_home": Moment(in_006, queue),
    "waiting_small": Moment(in_006, queue, SMALL),
    "waiting_large": Moment(in_006, queue, LARGE),
    "waiting_light": Moment(in_006, queue, theme="lockstep-light"),
    "waiting_small_list": Moment(in_006, queue, SMALL, ("l",)),
    "backoff_home": Moment(backoff, queue),
    "failed_home": Moment(failed),
    "failed_small": Moment(failed, size=SMALL),
    "red_home": Moment(red),
    "red_small": Moment(red, size=SMALL),
    "done_home": Moment(finished),
    "done_small": Moment(finished, size=SMALL),
    "rolled_back_home": Moment(rolled_back),
    "terminate_home": Moment(in_006, queue, keys=("k",)),
    "terminate_small": Moment(in_006, queue, SMALL, ("k",)),
    "roll_back_home": Moment(in_006, queue, keys=("R",)),
    "roll_back_small": Moment(in_006, queue, SMALL, ("R",)),
    "gate_home": Moment(checklist, keys=("enter",)),
    "production_home": Moment(lambda: checklist()[:6], keys=("enter",)),
    "production_small": Moment(lambda: checklist()[:6], size=SMALL, keys=("enter",)),
    "quit_home": Moment(in_006, queue, keys=("q",)),
    "help_home": Moment(in_006, queue, keys=("question_mark",)),
    "help_small": Moment(in_006, queue, SMALL, ("question_mark",)),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moment(snap_compare: Any, name: str) -> None:
    moment = MOMENTS[name]
    app, run = console(moment.at)
    moment.run(run)
    app.theme = moment.theme

    async def before(pilot: Pilot[int]) -> None:
        await show(app, pilot, moment.events(), moment.looks())
        for key in moment.keys:
            await pilot.press(key)
            await pilot.pause()
        for field in app.screen.query(Input):
            field.cursor_blink = False
        await pilot.pause()

    assert snap_compare(app, terminal_size=moment.size, run_before=before)


def test_opened_again(snap_compare: Any) -> None:
    events, earlier = reopened()
    app, _ = console()

    async def before(pilot: Pilot[int]) -> None:
        await show(app, pilot, events, samples(), earlier)

    assert snap_compare(app, terminal_size=HOME, run_before=before)
