"""``lockstep watch``: what its screen looks like, what its keys do, and that nothing on it acts unasked."""

import asyncio
import csv
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from scenes import NIGHT, session
from textual.pilot import Pilot
from textual.widgets import Input
from watch_scenes import TARGET, found, lost, pane, queue, quiet, show, standby, watching

from tui.engine import export
from tui.engine.roster import ORDERS as SORTED
from tui.engine.sample import Sample
from tui.postgres.session import CannotConnect
from tui.screens.dialog import Dialog
from tui.screens.help import HelpScreen
from tui.screens.session import SessionScreen
from tui.screens.watch_keys import ACTS, ORDERS, Standing, hints, watch_help, works
from tui.watch import WatchApp
from tui.widgets.frame import KeyBar
from tui.widgets.lines import Lines
from tui.widgets.locks import LockPane
from tui.widgets.sessions import SessionsPane

SMALL, HOME = (80, 24), (120, 40)


@dataclass(frozen=True)
class Moment:
    look: Callable[[], Sample] = queue
    size: tuple[int, int] = HOME
    keys: tuple[str, ...] = ()
    words: str = ""
    acts: bool = False
    theme: str = "lockstep-dark"


def at_both(name: str, moment: Moment) -> dict[str, Moment]:
    return {f"{name}_home": moment, f"{name}_small": replace(moment, size=SMALL)}


MOMENTS = {
    **at_both("queue", Moment()),
    **at_both("quiet", Moment(quiet)),
    **at_both("lost", Moment(lost)),
    **at_both("standby", Moment(standby, acts=True, keys=("down", "down"))),
    **at_both("filtered", Moment(words="app:web -state:idle")),
    **at_both("nobody", Moment(words="db:nowhere")),
    **at_both("typing", Moment(keys=("slash", *"db:shop"))),
    **at_both("refused", Moment(keys=("slash", *"user:x"))),
    **at_both("paused", Moment(words="db:app", keys=("p",))),
    **at_both("by_wait", Moment(keys=("s", "tab", "down", "down"))),
    **at_both("export", Moment(keys=("e",))),
    **at_both("end", Moment(acts=True, keys=("down", "k"))),
    "help_home": Moment(acts=True, keys=("question_mark",)),
    "help_small": Moment(size=SMALL, keys=("question_mark",)),
    "light": Moment(theme="lockstep-light"),
    "large": Moment(size=(200, 60)),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moment(snap_compare: Any, name: str) -> None:
    moment = MOMENTS[name]
    app, _ = watching(moment.words, acts=moment.acts)
    app.theme = moment.theme

    async def before(pilot: Pilot[int]) -> None:
        await show(app, pilot, moment.look())
        for key in moment.keys:
            await pilot.press(key)
            await pilot.pause()
        if isinstance(app.screen, Dialog):
            app.screen.refresh_body()
        for field in app.screen.query(Input):
            field.cursor_blink = False
        await pilot.pause()

    assert snap_compare(app, terminal_size=moment.size, run_before=before)


# The filter


async def test_a_filter_holds_for_list_and_trees_and_says_what_it_hides() -> None:
    app, _ = watching()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        assert "4242 billing_report" in pane(app, "locks")
        assert "6001 nightly" in pane(app, "locks")
        await pilot.press("slash", *"db:shop", "enter")
        await pilot.pause()
        assert "4242" not in pane(app, "sessions")
        assert "4242 billing_report" not in pane(app, "locks")
        assert "6001 nightly" in pane(app, "locks")
        assert "FILTER hides 8 sessions and 1 lock tree: db:shop" in pane(app, "header")
        assert "3 of 11 sessions" in pane(app, "rule-sessions")
        # It holds for the next look, too.
        app.watch_screen.show_sample(queue(7), TARGET)
        assert "hides 10 sessions" in pane(app, "header")
        await pilot.press("escape")
        assert "FILTER" not in pane(app, "header")
        assert "4242 billing_report" in pane(app, "locks")


async def test_a_wrong_word_is_told_at_once_and_nothing_moves_before_enter() -> None:
    app, _ = watching("db:app")
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        before = pane(app, "sessions")
        await pilot.press("slash", *"user:x")
        assert "no user: there are db: role: app: pid: state:" in pane(app, "filter-said")
        await pilot.press("enter")
        assert app.watch_screen.query_one("#filter-input", Input).has_focus
        assert pane(app, "sessions") == before
        await pilot.press(*["backspace"] * 6, *"nightly")
        assert "shows 0 of 11 sessions, 0 lock trees" in pane(app, "filter-said")
        assert pane(app, "sessions") == before
        await pilot.press("escape")
        assert app.watch_screen.filter.text == "db:app"
        assert pane(app, "sessions") == before


async def test_while_one_types_no_key_acts() -> None:
    app, lookout = watching(acts=True)
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        await pilot.press("down", "slash", *"kpsSetq", "space", "question_mark")
        await pilot.pause()
        assert app.watch_screen.query_one("#filter-input", Input).value == "kpsSetq ?"
        assert app.screen is app.watch_screen
        assert lookout.calls == [("open",)]
        # Whoever goes elsewhere has not kept what was typed.
        await pilot.press("tab")
        await pilot.pause()
        assert not app.watch_screen.filter
        assert "Pause" in pane(app, "keys")


async def test_the_filter_of_the_command_line_is_there_from_the_start() -> None:
    app, _ = watching("db:shop")
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        assert "hides 8 sessions" in pane(app, "header")
        await pilot.press("slash")
        assert app.watch_screen.query_one("#filter-input", Input).value == "db:shop "


# Order, cursor, pause


async def test_s_goes_through_the_orders_and_the_cursor_stays_on_its_session() -> None:
    app, _ = watching()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        sessions = app.watch_screen.query_one(SessionsPane)
        sessions.focus()
        await pilot.press("down", "down")
        pid = sessions.selected
        assert pid == 5400
        seen = []
        for _ in ORDERS:
            await pilot.press("s")
            seen.append(app.watch_screen.order)
            assert sessions.selected == pid
            assert sessions.cursor_row == list(sessions.keys).index(pid)
        assert seen == [*list(ORDERS)[1:], "transaction"]
        await pilot.press("S")
        assert app.watch_screen.order == "application"
        assert "by application" in pane(app, "rule-sessions")


def test_the_orders_are_those_that_there_are() -> None:
    assert list(ORDERS) == list(SORTED)


async def test_a_session_that_is_gone_takes_the_cursor_with_it() -> None:
    app, _ = watching(acts=True)
    async with app.run_test(size=HOME) as pilot:
        look = queue(5)
        await show(app, pilot, look)
        app.watch_screen.query_one(SessionsPane).focus()
        await pilot.press("down")
        assert "k Terminate 4242" in pane(app, "keys")
        app.watch_screen.show_sample(replace(look, sessions=look.sessions[1:]), TARGET)
        await pilot.pause()
        assert "Terminate" not in pane(app, "keys")


async def test_a_paused_picture_stands_still_and_says_so_while_looking_goes_on() -> None:
    now = [NIGHT]
    app, _ = watching(clock=lambda: now[0])
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        await pilot.press("p")
        panes = {name: pane(app, name) for name in ("gauges", "locks", "progress", "sessions")}
        assert "PAUSED since 01:44:12, 0:00 old" in pane(app, "header")
        for seconds in range(1, 13):
            now[0] = NIGHT + timedelta(seconds=seconds)
            app.watch_screen.show_sample(replace(quiet(), at=now[0]), TARGET)
        await pilot.pause()
        assert "PAUSED since 01:44:12, 0:12 old" in pane(app, "header")
        assert {name: pane(app, name) for name in panes} == panes
        # A filter and another order work on what stands there.
        await pilot.press("slash", *"db:shop", "enter", "s")
        assert "hides 8 sessions" in pane(app, "header")
        assert "6001 nightly" in pane(app, "locks")
        await pilot.press("escape", "p")
        assert "PAUSED" not in pane(app, "header")
        assert "nobody waits for a lock" in pane(app, "locks")
        # What was not seen is in the gauges.
        assert "blocked" in pane(app, "gauges")
        assert pane(app, "gauges") != panes["gauges"]


async def test_what_was_not_seen_while_paused_is_bounded() -> None:
    app, _ = watching()
    async with app.run_test(size=SMALL) as pilot:
        await show(app, pilot, queue(1))
        await pilot.press("p")
        with patch.object(app.watch_screen, "redraw"):
            for _ in range(1000):
                app.watch_screen.show_sample(quiet(), TARGET)
        assert len(app.watch_screen._unseen) == 240


# Acting


async def test_without_act_there_is_no_key_that_ends_anything() -> None:
    app, lookout = watching()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        for focus in (LockPane, SessionsPane):
            app.watch_screen.query_one(focus).focus()
            await pilot.press("down", "k")
            await pilot.pause()
            assert app.screen is app.watch_screen
            await pilot.press("enter")
            await pilot.pause()
            assert isinstance(app.screen, SessionScreen)
            await pilot.press("k", "escape")
            await pilot.pause()
        assert lookout.calls == [("open",)]
        assert "READ ONLY" in pane(app, "header")
        assert "Terminate" not in pane(app, "keys")


@pytest.mark.parametrize("where", [LockPane, SessionsPane])
async def test_k_looks_closely_asks_and_tells_where_it_is_recorded(where: type[LockPane] | type[SessionsPane]) -> None:
    app, lookout = watching(acts=True)
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        app.watch_screen.query_one(where).focus()
        await pilot.press("k")
        await pilot.pause()
        assert lookout.calls == [("open",)], "nobody is under the cursor"
        await pilot.press("down", "k")
        await pilot.pause()
        assert isinstance(app.screen, Dialog)
        await pilot.press("enter")
        await pilot.pause()
        assert lookout.calls == [("open",), ("preview_signal", 4242)]
        await pilot.press("k")
        await pilot.pause()
        await pilot.press("right", "enter")
        await pilot.pause()
        assert lookout.calls[-1] == ("signal", 4242, "terminate")
        said = [notification.message for notification in app._notifications]
        assert said == ["session 4242 is gone; recorded in ~/lockstep/watch/one.jsonl"]


async def test_the_detail_asks_for_all_locks_and_stays_live() -> None:
    app, lookout = watching()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert isinstance(app.screen, SessionScreen)
        assert lookout.looked_at == 5131
        await pilot.press("escape")
        await pilot.pause()
        assert lookout.looked_at is None


async def test_the_detail_of_a_paused_picture_promises_no_other_look() -> None:
    app, lookout = watching()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        await pilot.press("p", "down", "enter")
        await pilot.pause()
        assert isinstance(app.screen, SessionScreen)
        body = app.screen.query_one("#session-body", Lines).text
        assert "those that somebody waits for; paused, so the others are not read" in body
        assert "next look" not in body
        assert lookout.looked_at is None


# Export


async def exported(app: WatchApp, pilot: Pilot[int], keys: tuple[str, ...], directory: Path) -> list[Path]:
    await pilot.press("e")
    await pilot.pause()
    assert isinstance(app.screen, Dialog)
    field = app.screen.query_one(Input)
    assert field.value == "lockstep-watch-20261121-014412"
    field.value = str(directory / "night")
    await pilot.press("enter", *keys, "enter")
    for _ in range(200):
        await pilot.pause(0.01)
        if all(worker.is_finished for worker in app.workers if worker.group == "export"):
            break
    return await asyncio.to_thread(lambda: sorted(directory.iterdir()))


async def test_export_writes_the_paused_picture_by_filter_and_order(tmp_path: Path) -> None:
    app, _ = watching("db:app")
    async with app.run_test(size=SMALL) as pilot:
        await show(app, pilot, queue(40))
        await pilot.press("p", "s", "s", "s")
        app.watch_screen.show_sample(quiet(), TARGET)
        (text,) = await exported(app, pilot, (), tmp_path)
        assert text.name == "night.txt"
        told = text.read_text()
        assert "PAUSED since 01:44:12" in told
        assert "FILTER hides 3 sessions and 1 lock tree: db:app" in " ".join(told.split())
        # Whole: every waiter has its row in the tree and in the list, though the screen has 24 lines of 80 columns.
        assert all(told.count(f" {10000 + number} ") == 2 for number in range(40))
        assert "UPDATE client_profiles SET updated_at = now() WHERE id = $1\n" in told
        assert "6001" not in told

        first, second = await exported(app, pilot, ("left", "left"), tmp_path)
        assert (first.name, second.name) == ("night.csv", "night.txt")
        rows = list(csv.DictReader(first.read_text().splitlines()))
        assert [int(row["pid"]) for row in rows] == sorted(int(row["pid"]) for row in rows)
        assert len(rows) == 43

        *_, last = await exported(app, pilot, ("left",), tmp_path), tmp_path / "night.json"
        object_ = json.loads(last.read_text())
        assert object_["order"] == "pid"
        assert object_["paused_since"] is not None
        assert [one["pid"] for one in object_["sessions"]] == [int(row["pid"]) for row in rows]
        assert len(object_["tree"][0]["children"][0]["children"]) == 40


async def test_export_never_overwrites_and_asks_again(tmp_path: Path) -> None:
    (tmp_path / "night.txt").write_text("mine")
    app, _ = watching()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        await pilot.press("e")
        await pilot.pause()
        app.screen.query_one(Input).value = str(tmp_path / "night")
        await pilot.press("enter", "enter")
        for _ in range(200):
            await pilot.pause(0.01)
            if isinstance(app.screen, Dialog) and "is there already" in app.screen.query_one(Lines).text:
                break
        assert isinstance(app.screen, Dialog)
        assert "is there already and stays as it is" in " ".join(app.screen.query_one(Lines).text.split())
        assert app.screen.query_one(Input).value == str(tmp_path / "night")
        await pilot.press("escape")
    assert (tmp_path / "night.txt").read_text() == "mine"


async def test_what_is_exported_is_made_beside_the_screen_as_of_the_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_in: list[int] = []
    made = export.as_text

    def as_text(panes: Sequence[tuple[str, Sequence[str]]]) -> str:
        made_in.append(threading.get_ident())
        return made(panes)

    monkeypatch.setattr(export, "as_text", as_text)
    now = [NIGHT]
    app, _ = watching(clock=lambda: now[0])
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, lost())
        await pilot.press("p")
        now[0] = NIGHT + timedelta(seconds=60)
        await pilot.press("e")
        await pilot.pause()
        assert "who is connected is not known" in app.screen.query_one(Lines).text
        await pilot.press("escape")
        await pilot.pause()
        (written,) = await exported(app, pilot, (), tmp_path)
        assert made_in
        assert threading.get_ident() not in made_in
        told = written.read_text()
        assert "monitor n/a for 0:12" in told
        assert "nobody waits" not in told
        assert "0 sessions" not in told
        assert told.count("\nn/a: connection to server at db1.example failed: Connection refused\n") == 3


@pytest.mark.parametrize("keys", [("e",), ("down", "enter"), ("question_mark",)])
async def test_behind_whatever_is_open_the_picture_goes_on(keys: tuple[str, ...]) -> None:
    app, _ = watching()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5))
        await pilot.press(*keys)
        await pilot.pause()
        assert app.screen is not app.watch_screen
        app.watch_screen.show_sample(quiet(), TARGET)
        await pilot.pause()
        assert "nobody waits for a lock" in pane(app, "locks")


# Thousands


async def test_thousands_wait_in_few_rows_and_only_what_is_seen_is_drawn() -> None:
    app, _ = watching()
    async with app.run_test(size=HOME) as pilot:
        look = queue(5000)
        await show(app, pilot, look)
        locks, sessions = app.watch_screen.query_one(LockPane), app.watch_screen.query_one(SessionsPane)
        assert locks.nodes < 40
        assert sessions.line_count == 5006
        sessions.focus()
        await pilot.press("end", "home", "pagedown", "down")
        assert sessions.selected is not None
        made: list[int] = []
        from tui.widgets import sessions as module

        original = module._line

        def counting(*arguments: Any) -> Any:
            made.append(1)
            return original(*arguments)

        with patch.object(module, "_line", counting):
            app.watch_screen.show_sample(replace(look, at=look.at + timedelta(seconds=1)), TARGET)
            await pilot.pause()
        assert 0 < len(made) <= 3 * HOME[1]
        # Unfolded, a queue is as long as it is, and folds again from anywhere in it.
        locks.focus()
        await pilot.press("home", "down", "space")
        await pilot.pause()
        assert locks.nodes > 5000
        await pilot.press("end", "home", "down", "down", "space")
        await pilot.pause()
        assert locks.nodes < 40


async def test_foreign_text_is_no_markup_and_no_control(tmp_path: Path) -> None:
    evil = "[red]x[/] \x1b[2J\u202e"
    look = queue(2)
    hostile = replace(session(77, evil, evil, "active", 999.0), user=evil, database=evil, client=evil)
    app, _ = watching()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, replace(look, sessions=(*look.sessions, hostile)))
        assert "[red]x[/]" in pane(app, "sessions")
        assert "\x1b" not in pane(app, "sessions")
        assert "\u202e" not in pane(app, "sessions")
        (text,) = await exported(app, pilot, (), tmp_path)
        assert "\x1b" not in text.read_text()


# The ends


async def test_q_leaves_at_once_and_lets_go() -> None:
    app, lookout = watching()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(1))
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == 0
    assert lookout.calls == [("open",), ("close",)]
    assert app.failure is None


async def test_no_connection_ends_it_with_why() -> None:
    app, _ = watching(failure=CannotConnect("cannot connect: nobody there"))
    async with app.run_test(size=HOME) as pilot:
        await pilot.pause()
    assert str(app.failure) == "cannot connect: nobody there"
    assert app.return_code == 1


async def test_a_lost_connection_is_shown_in_place_and_the_next_look_shows_the_server_again() -> None:
    app, _ = watching()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(5), lost())
        assert "n/a since 01:44:00: the monitor has no connection" in pane(app, "locks")
        assert "the guard" not in pane(app, "locks")
        assert "n/a: the monitor has no connection" in pane(app, "sessions")
        assert "monitor n/a for 0:12" in pane(app, "gauges")
        assert "a look takes" not in pane(app, "header")
        app.watch_screen.show_sample(queue(5), TARGET)
        await pilot.pause()
        assert "4242" in pane(app, "sessions")


async def test_before_the_first_look_the_screen_stands_and_says_that_it_knows_nothing() -> None:
    app, lookout = watching()
    lookout.target = None
    async with app.run_test(size=SMALL) as pilot:
        await pilot.pause()
        assert "connecting …" in pane(app, "header")
        assert "no look at the server yet" in pane(app, "locks")
        assert pane(app, "sessions") == ""
        for key in ("k", "enter", "space", "p", "e", "d", "x", "escape"):
            await pilot.press(key)
        await pilot.pause()
        assert app.screen is app.watch_screen


# Keys, help, palette: one registry


def test_a_key_that_does_nothing_is_not_offered() -> None:
    for at in (Standing(), Standing(known=True), Standing(known=True, typing=True), Standing(known=True, acts=True)):
        offered = {hint.action for hint in hints(at)} - {"keep", "app.focus_next", "app.command_palette"}
        assert all(works(action, at) for action in offered)
    everything = Standing(True, True, 7, True, True, "Unfold", True)
    assert {hint.action for hint in hints(everything)} >= {"detail", "signal", "fold", "unfilter", "pause", "export"}


def test_help_has_every_key_and_without_act_none_that_ends_anything() -> None:
    told = " ".join(line.text for line in watch_help(True, 84))
    assert all(act.help.split()[0] in told for act in ACTS)
    assert "Terminate" not in " ".join(line.text for line in watch_help(False, 84))
    assert "end it or its query" in told
    assert "end it or its query" not in " ".join(line.text for line in watch_help(False, 84))


async def test_the_palette_and_the_help_are_its_own() -> None:
    app, _ = watching()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, queue(1))
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        assert "db:app" in app.screen.query_one(Lines).text
        await pilot.press("escape")
        await pilot.pause()
        bar = app.watch_screen.query_one(KeyBar)
        assert await pilot.click(bar, offset=(2, 0))
        await pilot.pause()
        assert app.watch_screen.query_one("#filter-input", Input).has_focus


def test_the_node_under_the_cursor_is_found_by_its_pid() -> None:
    assert found(queue(3).tree.roots, 10002).session is not None


def test_the_screen_stands_before_what_a_connection_or_a_run_takes_is_loaded() -> None:
    code = "import sys, tui.watch; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "textual.app" in loaded
    assert not {"psycopg", "pydantic", "sqlparse", "tui.engine.run", "tui.engine.events", "tui.engine.state"} & {
        *loaded
    }
