"""The console that only looks: what its head says, and that no key of it acts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pty_console import journal, terminal
from runbooks import execute, one, write
from scenes import NIGHT, console, samples, session, show, waiting_tree, watching
from textual.pilot import Pilot

from tui.engine import events as e
from tui.engine.sample import Sample
from tui.screens.actions import ACTS
from tui.screens.help import HelpScreen
from tui.screens.session import SessionScreen
from tui.widgets.frame import KeyBar
from tui.widgets.lines import Lines
from tui.widgets.locks import LockPane

SMALL, HOME = (80, 24), (120, 40)
LOOKING = {"detail", "summary", "list", "theme", "help", "leave"}


def held() -> list[e.Event]:
    """dba1 has the run in hand."""
    return [replace(event, read_only=True) if isinstance(event, e.RunWatched) else event for event in watching()]


def free() -> list[e.Event]:
    """Nobody has it."""
    return [*held(), e.RunWatched(NIGHT, None, None, True)]


def never_held() -> list[e.Event]:
    events = [event for event in held() if not isinstance(event, e.RunWatched)]
    return [*events, e.RunWatched(NIGHT, None, None, True)]


def looks() -> list[Sample]:
    runs = session(5131, "lockstep runner", "ALTER TABLE client_profiles ADD a int", "active", 7.0)
    found = samples(waiting_tree())
    return [*found[:-1], replace(found[-1], sessions=(*found[-1].sessions, runs))]


@pytest.mark.parametrize("events", [held, free, never_held])
@pytest.mark.parametrize("size", [SMALL, HOME], ids=["80x24", "120x40"])
async def test_no_key_acts(events: Callable[[], list[e.Event]], size: tuple[int, int]) -> None:
    app, run = console()
    async with app.run_test(size=size) as pilot:
        await show(app, pilot, events(), looks())
        screen = app.console_screen
        assert "READ ONLY" in screen.query_one("#header", Lines).text
        assert "YOU WATCH" not in screen.query_one("#header", Lines).text
        assert "enter takes" not in screen.query_one("#header", Lines).text
        assert "enter takes" not in screen.query_one("#step", Lines).text
        for focus in ("outline", "locks"):
            screen.query_one(f"#{focus}").focus()
            await pilot.press("down")
            await pilot.pause()
            offered = screen.query_one(KeyBar).text
            assert "Terminate" not in offered
            for act in ACTS:
                if act.action not in LOOKING and not (focus == "locks" and act.action == "go_on"):
                    assert screen.check_action(act.action, ()) is False, act.action
                    await pilot.press(act.key)
            await pilot.pause()
        assert run.calls == [("open",)]


async def test_a_key_that_would_act_says_why_it_does_not() -> None:
    app, _ = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, free(), looks())
        await pilot.press("k")
        await pilot.pause()
        assert [n.message for n in app._notifications] == ["read only: this console looks and does nothing"]


async def test_what_it_may_do_it_does() -> None:
    app, _ = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, held(), looks())
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        told = app.screen.query_one(Lines).text
        assert "Everything about the selected session" in told
        for act in ACTS:
            assert (act.help.split(".")[0][:40] in " ".join(told.split())) == (act.action in LOOKING), act.action
        await pilot.press("escape")
        app.console_screen.query_one(LockPane).focus()
        await pilot.press("down", "d")
        await pilot.pause()
        assert isinstance(app.screen, SessionScreen)
        assert "Terminate" not in app.screen.query_one(KeyBar).text


@pytest.mark.parametrize("name", ["held_home", "held_small", "free_home", "free_small"])
def test_read_only_picture(snap_compare: Any, name: str) -> None:
    app, _ = console()

    async def before(pilot: Pilot[int]) -> None:
        await show(app, pilot, held() if name.startswith("held") else never_held(), looks())
        # The heights of the panes follow from what the first drawing led to.
        await pilot.pause()

    assert snap_compare(app, terminal_size=HOME if name.endswith("home") else SMALL, run_before=before)


@pytest.mark.parametrize("size", [SMALL, HOME], ids=["80x24", "120x40"])
def test_in_a_real_terminal(tmp_path: Path, database: str, size: tuple[int, int]) -> None:
    execute(database, "CREATE TABLE t (a int)")
    book = str(write(tmp_path / "small", {"1": "ALTER TABLE t ADD b int"}))
    with terminal("open", book, "-d", database, "--read-only", size=size) as eyes:
        eyes.see("READ ONLY", "nobody has")
        eyes.press("enter", "space", "k", "R", "c", "o", "v", "n", "p")
        eyes.see("read only: this console looks")
        with terminal("open", book, "-d", database, "--operator", "dba1", size=size) as hand:
            hand.see("Open the window")
            eyes.see("dba1 has")
            hand.press("q")
            assert hand.end() == 0
        eyes.see("READ ONLY", "nobody has")
        eyes.press("q")
        assert eyes.end() == 0
        eyes.assert_restored()
    # Of the two consoles one has left a journal: the one that had the run in hand.
    assert [event.operator for event in journal() if isinstance(event, e.RunOpened)] == ["dba1"]
    assert one(database, "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0") == 1
