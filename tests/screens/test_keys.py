"""Which command a key calls, and that a wrong one calls none."""

from dataclasses import replace
from datetime import timedelta

import pytest
from scenes import (
    CHANGED,
    COMMENTED,
    NIGHT,
    RecordingRun,
    abandoned,
    backfill,
    backoff,
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
    node,
    paused_backfill,
    plan,
    preview,
    red,
    sample,
    samples,
    session,
    show,
    still_runs,
    two_done,
    waiting_tree,
    watching,
    window_open,
)
from textual.widgets._toast import Toast

from tui.engine import events as e
from tui.engine.connections import OtherOperator
from tui.engine.sample import Sample
from tui.screens.dialog import Dialog
from tui.screens.held import HeldKey
from tui.screens.help import HelpScreen
from tui.screens.session import SessionScreen
from tui.widgets.frame import KeyBar
from tui.widgets.lines import Lines
from tui.widgets.locks import LockPane

Calls = list[tuple[object, ...]]
HOME = (120, 40)


async def press(events: list[e.Event], looks: list[Sample], *keys: str) -> Calls:
    """What the run was told after these keys; the opening is left out."""
    app, run = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, events, looks)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        return [call for call in run.calls if call[0] != "open"]


ready = window_open


@pytest.mark.parametrize(
    ("events", "keys", "calls"),
    [
        (checklist, ["down", "space"], [("tick", "team", True, "")]),
        (checklist, ["up", "up", "up", "up", "space"], [("tick", "staging", False, "")]),
        (checklist, ["space"], [("probe", "disk")]),
        (checklist, ["down", "n", *"Bo", "enter"], [("tick", "team", True, "Bo")]),
        (checklist, ["enter", "escape"], []),
        (checklist, ["enter", "enter", *"tired", "enter", "enter"], [("override", ("disk", "team"), "tired")]),
        (checklist, ["o", "tab", "enter"], []),
        (two_done, ["enter"], [("go_on",)]),
        (two_done, ["p"], [("pause", True)]),
        (two_done, ["v"], [("verify", "renamed", "roles")]),
        (two_done, ["c"], []),
        (two_done, ["k"], []),
        (red, ["v"], [("verify", "orphans")]),
        (red, ["o", *"known", "enter", "enter"], [("override", ("orphans",), "known")]),
        (failed, ["enter"], [("go_on",)]),
        (finished, ["enter"], []),
        (in_006, ["enter"], []),
        (in_006, ["space", "n", "v", "o", "x", "5"], []),
        (in_006, ["c", "enter"], []),
        (in_006, ["c", "right", "enter"], [("cancel",)]),
        (backoff, ["c"], [("cancel",)]),
        (in_006, ["k", "enter"], [("preview_signal", 4242)]),
        # It is idle in its transaction: there is no query to cancel.
        (in_006, ["k", "right", "enter"], [("preview_signal", 4242), ("signal", preview(), "terminate")]),
        (in_006, ["k", "right", "right", "enter"], [("preview_signal", 4242)]),
        (in_006, ["R", "enter"], []),
        (in_006, ["R", "right", "right", "enter"], [("roll_back", plan())]),
        (in_006, ["R", "right", "enter", "right", "right", "enter"], [("roll_back", plan("004"))]),
        (in_006, ["R", "k", "c", "p", "q", "escape"], []),
        (in_006, ["q", "enter"], []),
        (in_006, ["q", "right", "enter"], [("close", None)]),
        (in_006, ["ctrl+c", "enter"], []),
        (checklist, ["q"], [("close", None)]),
        (finished, ["ctrl+q"], [("close", None)]),
        (red, ["q", "right", "enter"], [("close", None)]),
        (abandoned, ["enter", "enter"], []),
        (abandoned, ["enter", "right", "enter"], [("take_over",)]),
        (watching, ["q"], [("close", None)]),
        (leftover, ["enter", "enter"], []),
        (leftover, ["enter", "right", "enter"], [("go_on",)]),
        (doubt, ["enter"], [("go_on",)]),
        (still_runs, ["enter"], [("go_on",)]),
        (building, ["c", "enter"], []),
        (building, ["c", "right", "enter"], [("cancel",)]),
        (building, ["q", "enter"], []),
        (building, ["q", "right", "enter"], [("close", None)]),
        (backfill, ["p"], [("pause", True)]),
        (paused_backfill, ["p"], [("pause", False)]),
        (cut_off, ["c"], [("cancel",)]),
        (changed, ["enter", "tab", "tab", "enter"], []),
        (changed, ["enter", *"seen", "enter", "enter"], [("override", (CHANGED.id, COMMENTED.id), "seen")]),
    ],
)
async def test_keys(events: object, keys: list[str], calls: Calls) -> None:
    assert callable(events)
    assert await press(events(), samples(waiting_tree() if events is in_006 else samples()[-1].tree), *keys) == calls


@pytest.mark.parametrize("key", ["enter", "space", "n", "c", "k", "p", "R", "v", "o"])
async def test_who_watches_is_told_why_a_key_does_not_act(key: str) -> None:
    app, run = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, watching(), samples(waiting_tree()))
        await pilot.press(key)
        await pilot.pause()
        assert [n.message for n in app._notifications] == ["dba1 has this run in hand: you watch"]
        assert run.calls == [("open",)]


async def test_who_watches_can_look_at_everything() -> None:
    app, _ = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, watching(), samples(waiting_tree()))
        await pilot.press("up")
        await pilot.pause()
        assert "005  Rename iso_agents to users" in app.console_screen.query_one("#step", Lines).text
        await pilot.press("escape")
        await pilot.pause()
        assert "session 4100 of postgres from 10.0.0.5" in app.console_screen.query_one("#step", Lines).text
        await pilot.press("tab", "tab", "down", "enter")
        await pilot.pause()
        assert isinstance(app.screen, SessionScreen)
        assert not app._notifications


async def test_somebody_was_faster() -> None:
    app, run = console()

    async def take_over() -> None:
        raise OtherOperator("dba3 has iso-agents-to-users in hand")

    run.take_over = take_over  # type: ignore[attr-defined]
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, abandoned(), samples())
        await pilot.press("enter", "right", "enter")
        await pilot.pause()
        assert "somebody was faster: dba3 has" in next(iter(app._notifications)).message
        assert app.console_screen.state.watched is not None


async def test_escape_leads_back_to_the_whole() -> None:
    app, _ = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, finished(), samples())
        step = app.console_screen.query_one("#step", Lines)
        assert "esc Summary" not in app.console_screen.query_one(KeyBar).text
        await pilot.press("down")
        await pilot.pause()
        assert "is done" not in step.text
        assert "esc Summary" in app.console_screen.query_one(KeyBar).text
        await pilot.press("escape")
        await pilot.pause()
        assert "iso_agents to users is done" in step.text


@pytest.mark.parametrize("size", [(80, 24), HOME], ids=["80x24", "120x40"])
async def test_a_word_does_not_cover_the_figures(size: tuple[int, int]) -> None:
    app, _ = console()
    async with app.run_test(size=size, notifications=True) as pilot:
        await show(app, pilot, two_done(), samples())
        app.console_screen.say("a word " * 30, bad=True)
        while not app.screen.query(Toast) or not app.screen.query_one(Toast).region.height:
            await pilot.pause()
        toast = app.screen.query_one(Toast)
        for pane in ("#gauges", "#keys", "#header"):
            assert not toast.region.overlaps(app.screen.query_one(pane).region)


async def test_terminating_follows_what_goes_on() -> None:
    app, run = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, in_006(), samples(waiting_tree()))
        await pilot.press("k")
        await pilot.pause()
        dialog = app.screen
        assert isinstance(dialog, Dialog)
        body = dialog.query_one(Lines)
        assert "as seen at" in body.text
        later = NIGHT + timedelta(seconds=1)
        app.console_screen.show_sample(sample(at=later))
        dialog.refresh_body()
        assert "we do not wait for it any more" in body.text
        app.console_screen.show_sample(sample(at=later, sessions=()))
        dialog.refresh_body()
        assert "it is gone by now" in body.text
        assert isinstance(run, RecordingRun)


async def test_production_only_looks_until_its_name_is_typed() -> None:
    unconfirmed = checklist()[:6]
    for key in ("space", "n", "v", "R", "p", "o", "k", "c"):
        assert await press(unconfirmed, samples(waiting_tree()), key) == []
    assert await press(unconfirmed, samples(), "enter", *"apq", "enter", "enter", "escape") == []
    assert await press(unconfirmed, samples(), "enter", *"app", "enter") == [("confirm_production", "app")]


async def test_first_step_on_production_asks_once() -> None:
    assert await press(ready(), samples(), "enter", "enter") == []
    assert await press(ready(), samples(), "enter", "right", "enter") == [("go_on",)]


async def test_other_databases_start_at_once() -> None:
    opening = ready()
    first = opening[0]
    assert isinstance(first, e.RunOpened)
    opening[0] = replace(first, target=replace(first.target, production=False))
    assert await press(opening, samples(), "enter") == [("go_on",)]


def test_a_held_key_counts_once() -> None:
    now = 100.0
    held = HeldKey(0.7, lambda: now)
    assert held.takes()
    for _ in range(200):
        now += 0.03
        assert not held.takes()
    now += 0.71
    assert held.takes()
    held.rest()
    now += 0.5
    assert not held.takes()


async def test_held_enter_does_not_answer_its_own_question() -> None:
    app, run = console(quiet=60.0)
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, checklist(), samples())
        app.console_screen._held._rest = float("-inf")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Dialog)
        await pilot.press(*["enter"] * 20)
        await pilot.pause()
        assert isinstance(app.screen, Dialog)
        assert run.calls == [("open",)]


async def test_data_goes_on_behind_a_dialog() -> None:
    app, _ = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, in_006(), samples(waiting_tree()))
        await pilot.press("k")
        await pilot.pause()
        assert isinstance(app.screen, Dialog)
        app.console_screen.show_sample(sample(waiting_tree(3)))
        await pilot.pause()
        assert "3 sessions wait behind us" in app.console_screen.query_one(LockPane).text
        strips = app.console_screen.query_one("#gauges", Lines).text
        assert " 3/20 " in strips


async def test_cursor_stays_on_its_session() -> None:
    app, _ = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, in_006(), samples(waiting_tree()))
        pane = app.console_screen.query_one(LockPane)
        pane.focus()
        await pilot.press("down", "down", "down")
        await pilot.pause()
        assert pane.selected is not None
        assert pane.selected.pid == 5204
        assert "Terminate 5204" in app.console_screen.query_one(KeyBar).text
        tree = waiting_tree()
        holder = tree.roots[0]
        ours = holder.children[0]
        moved = replace(
            ours, children=(node(session(9, "new", "SELECT 1"), "ACCESS SHARE on x", wait=9.0), *ours.children)
        )
        app.console_screen.show_sample(sample(replace(tree, roots=(replace(holder, children=(moved,)),))))
        assert pane.selected.pid == 5204
        gone = replace(ours, children=ours.children[1:])
        app.console_screen.show_sample(sample(replace(tree, roots=(replace(holder, children=(gone,)),))))
        assert pane.selected is None


async def test_queue_folds_and_unfolds() -> None:
    app, _ = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, in_006(), samples(waiting_tree(300)))
        pane = app.console_screen.query_one(LockPane)
        assert pane.nodes < 20
        pane.focus()
        # Three kinds of waiters, a row for the many of each.
        for _ in range(3):
            await pilot.press("end", "right")
        await pilot.pause()
        assert pane.nodes == 302
        await pilot.press("left")
        await pilot.pause()
        assert pane.nodes < 20


async def test_enter_in_the_tree_shows_the_session() -> None:
    app, run = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, in_006(), samples(waiting_tree()))
        app.console_screen.query_one(LockPane).focus()
        await pilot.press("down", "enter")
        await pilot.pause()
        assert isinstance(app.screen, SessionScreen)
        await pilot.press("escape")
        await pilot.pause()
        assert run.calls == [("open",), ("look_at", 4242), ("look_at", None)]


async def test_help_and_palette() -> None:
    app, _ = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, two_done(), samples())
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "ctrl+p")
        await pilot.pause()
        assert type(app.screen).__name__ == "CommandPalette"


async def test_a_click_presses_the_key() -> None:
    app, run = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, two_done(), samples())
        await pilot.click("#keys", offset=(2, 0))
        await pilot.pause()
        assert run.calls[-1] == ("go_on",)


async def test_theme_changes() -> None:
    app, _ = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, two_done(), samples())
        await pilot.press("t")
        await pilot.pause()
        assert app.theme == "lockstep-light"


async def test_what_an_act_could_not_do_is_said() -> None:
    app, run = console()

    async def refuse() -> None:
        raise ValueError("[bold]no[/] \x1b[31m")

    run.go_on = refuse  # type: ignore[attr-defined]
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, two_done(), samples())
        await pilot.press("enter")
        await pilot.pause()
        assert [n.message for n in app._notifications] == ["[bold]no[/] ·[31m"]


async def test_a_run_that_cannot_open_ends_the_app() -> None:
    app, run = console()

    async def refuse(*, watch: bool = False) -> None:
        raise ConnectionError("no such host")

    run.open = refuse  # type: ignore[method-assign]
    async with app.run_test(size=HOME) as pilot:
        await pilot.pause()
    assert isinstance(app.failure, ConnectionError)
    assert app.return_code == 1
