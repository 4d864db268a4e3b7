"""A cleanup for another night: left at the end of this one, asked about in its own, and no way back after it."""

import shutil
from pathlib import Path

import pytest
from live_console import opened
from runbooks import execute, write

from tui.paths import state_root
from tui.screens.dialog import Dialog
from tui.widgets.lines import Lines

STEPS = {
    "1": "ALTER TABLE users RENAME TO users_old;\nCREATE TABLE users AS TABLE users_old;",
    "2": "DROP TABLE users_old;",
}
BACK = {"1": "DROP TABLE users;\nALTER TABLE users_old RENAME TO users;"}
KEYS = {"2": 'point_of_no_return = true\nnot_before = "14d"'}
FORTNIGHT = (
    "UPDATE lockstep.act SET recorded_at = recorded_at - interval '15 days'",
    "UPDATE lockstep.event SET event = jsonb_set(event::jsonb, '{at}', "
    "to_jsonb((event ->> 'at')::timestamptz - interval '15 days'))::json",
)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
async def test_two_nights(tmp_path: Path, database: str, size: tuple[int, int]) -> None:
    book = write(tmp_path / "small", STEPS, BACK, keys=KEYS)
    execute(database, "CREATE TABLE users (id int)")
    async with opened(book, database, size) as console:
        listed = console.app.console_screen.query_one("#outline", Lines).text
        assert "14 days later" in listed
        await console.press("enter")
        await console.until(lambda: console.state.window_opened_at is not None)
        await console.press("enter")
        await console.until(lambda: console.state.next_act().kind == "finished")
        await console.until(lambda: "left for later: 2 Step 2, not before" in console.text("#step"))
        assert "R takes everything back" in console.text("#step")

    # Another machine, two weeks later: what it knows it knows from the database.
    shutil.rmtree(state_root())
    execute(database, *FORTNIGHT)
    async with opened(book, database, size) as console:
        await console.press("enter")
        await console.until(lambda: console.state.next_act().kind == "run_step")
        await console.press("enter")
        await console.until(lambda: isinstance(console.app.screen, Dialog))
        assert "after 2 there is no way back: it and all before it stay" in console.question
        await console.pilot.press("escape")
        await console.until(lambda: not isinstance(console.app.screen, Dialog))
        assert console.state.applied == ("1",)
        await console.press("o")
        await console.until(lambda: isinstance(console.app.screen, Dialog))
        await console.pilot.press(*"soaked", "enter", "enter")
        await console.until(lambda: console.state.next_act().gates == ())
        await console.press("enter")
        await console.until(lambda: console.state.applied == ("1", "2") and not console.state.busy)
        await console.until(lambda: "there is no way back: 2 ended it" in console.text("#step"))
        await console.press("R")
        why = "2 was a point of no return: it and what was before it stay"
        await console.until(lambda: any(why in told.message for told in console.app._notifications))
