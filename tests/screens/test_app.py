"""The app around the console: what it hears from the run, what a signal does, what a crash shows."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

from scenes import NIGHT, abandoned, checklist, console, opened, reopened, sample, two_done, window_open

from tui.engine import events as e
from tui.engine.journal import Journal
from tui.engine.state import fold
from tui.screens.dialog import Dialog
from tui.widgets.frame import KeyBar
from tui.widgets.lines import Lines

HOME = (120, 40)


async def test_events_and_samples_reach_the_screen() -> None:
    app, run = console()
    async with app.run_test(size=HOME) as pilot:
        await pilot.pause()
        for event in window_open():
            run.emit(event)
        run.watcher(sample())
        await pilot.pause()
        assert app.console_screen.state == run.state
        assert "nobody waits" in app.console_screen.query_one("#locks", Lines).text


async def test_every_event_counts_and_only_the_newest_sample() -> None:
    app, run = console()
    seen: list[str] = []
    async with app.run_test(size=HOME) as pilot:
        await pilot.pause()
        app.console_screen.show_state = lambda state: seen.append(state.last.kind if state.last else "")  # type: ignore[method-assign]
        for event in checklist():
            run.emit(event)
            run.watcher(sample())
        await pilot.pause()
    assert seen == [event.kind for event in checklist()]


async def test_production_asks_first() -> None:
    app, run = console()

    async def open_production(*, watch: bool = False) -> None:
        run.emit(opened())

    run.open = open_production  # type: ignore[method-assign]
    async with app.run_test(size=HOME) as pilot:
        while not isinstance(app.screen, Dialog):
            await pilot.pause()
        await pilot.press("escape")
        assert not isinstance(app.screen_stack[-1], Dialog)


async def test_a_run_begun_before_is_shown_as_the_database_has_it(tmp_path: Path) -> None:
    events, before = reopened()
    app, run = console()
    run.journal_path = tmp_path / "run.jsonl"

    async def open_again(*, watch: bool = False) -> None:
        journal = Journal(tmp_path / "run.jsonl")
        journal.open()
        for event in events:
            await journal.append(event)
        journal.close()
        run.state = before
        for event in events[-3:]:
            run.emit(event)

    run.open = open_again  # type: ignore[method-assign]
    async with app.run_test(size=HOME) as pilot:
        while app.console_screen._before is None:
            await pilot.pause()
        await pilot.pause()
        told = app.console_screen.query_one("#step", Lines).text
        assert "This run was open on ops1 (dba1) until 01:33:05" in told
        assert "006 committed: its COMMIT had no answer" in told


async def test_a_run_taken_over_goes_on_as_after_an_opening(tmp_path: Path) -> None:
    events, before = reopened()
    app, run = console()

    async def take_over() -> None:
        journal = Journal(tmp_path / "run.jsonl")
        journal.open()
        for event in events:
            await journal.append(event)
        journal.close()
        run.journal_path = tmp_path / "run.jsonl"
        run.state = before
        for event in events[-3:]:
            run.emit(event)

    run.take_over = take_over  # type: ignore[attr-defined]
    async with app.run_test(size=HOME) as pilot:
        await pilot.pause()
        for event in abandoned():
            run.emit(event)
        await pilot.pause()
        await pilot.press("enter", "right", "enter")
        while app.console_screen._before is None:
            await pilot.pause()
        await pilot.pause()
        told = app.console_screen.query_one("#step", Lines).text
        assert "This run was open on ops1 (dba1) until 01:33:05" in told
        assert "enter Verify" in app.console_screen.query_one(KeyBar).text


async def test_sigterm_closes_the_run_and_tells_by_its_code() -> None:
    app, run = console()
    closed = asyncio.Event()

    async def close(reason: str, exit_code: int) -> None:
        run.calls.append(("close", reason, exit_code))
        closed.set()

    run.close = close  # type: ignore[method-assign]
    async with app.run_test(size=HOME) as pilot:
        await pilot.pause()
        os.kill(os.getpid(), signal.SIGTERM)
        await closed.wait()
        await pilot.pause()
    assert run.calls[-1] == ("close", "SIGTERM", 143)
    assert app.return_code == 143


async def test_a_hang_up_while_the_run_opens_is_no_failure_to_open() -> None:
    app, run = console()
    closed = asyncio.Event()
    ended = asyncio.Event()

    async def open_slowly(*, watch: bool = False) -> None:
        await closed.wait()
        ended.set()
        raise ConnectionError("the connection is closed")

    async def close(reason: str, exit_code: int) -> None:
        closed.set()
        await ended.wait()

    run.open, run.close = open_slowly, close  # type: ignore[method-assign]
    async with app.run_test(size=HOME) as pilot:
        await pilot.pause()
        os.kill(os.getpid(), signal.SIGHUP)
        await ended.wait()
        await pilot.pause()
    assert app.return_code == 128 + signal.SIGHUP
    assert app.failure is None


async def test_a_second_command_of_a_kind_does_not_start() -> None:
    app, run = console()
    begun = 0
    release = asyncio.Event()

    async def go_on() -> None:
        nonlocal begun
        begun += 1
        await release.wait()

    run.go_on = go_on  # type: ignore[attr-defined]
    async with app.run_test(size=HOME) as pilot:
        await pilot.pause()
        for event in two_done():
            run.emit(event)
        await pilot.pause()
        await pilot.press("enter", "enter", "enter")
        assert begun == 1
        release.set()
        await pilot.pause()
        await pilot.press("enter")
        assert begun == 2


def test_exit_codes() -> None:
    state = fold(two_done())
    assert state.exit_code == 0
    failure = e.ScriptFailed(NIGHT, "006", "forward", ("006",), "error", "rolled_back", 0, None, "no")
    assert state.apply(failure).exit_code == 1
    assert state.apply(replace(failure, outcome="in_doubt")).exit_code == 5
    assert state.apply(e.RollbackFinished(NIGHT, False)).exit_code == 1
