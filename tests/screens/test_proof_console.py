"""Rehearsal and proof in the console on a real server: what was tried, who is in the way, what is lost or differs."""

import re
from pathlib import Path

import pytest
from live_console import opened
from rehearsals import OnServer, rehearsed
from runbooks import execute, session, write

from tui.engine import proofs
from tui.postgres.embedded import EmbeddedServer
from tui.screens.dialog import Dialog
from tui.widgets.lines import Lines

SETUP = ("CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL)", "CREATE INDEX by_name ON users (name)")
FILL = "INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, {}) AS n"
STEPS = {
    "1": "ALTER TABLE users ADD COLUMN phone text;\nUPDATE users SET phone = '+' || id;",
    "2": "CREATE TABLE logins (user_id int);\nINSERT INTO logins SELECT id FROM users WHERE id <= 10;",
}
BACK = {"1": "ALTER TABLE users DROP COLUMN phone;", "2": "DROP TABLE logins;\nDROP INDEX by_name;"}
PATIENT = '[safety]\nlock_timeout = "20s"\nlock_retries = 1'


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
async def test_from_a_rehearsal_to_a_way_back_that_loses(
    tmp_path: Path, server18: EmbeddedServer, database: str, size: tuple[int, int]
) -> None:
    book = write(tmp_path / "small", STEPS, BACK, safety=PATIENT)
    place = OnServer(server18, *SETUP, FILL.format(1000), "VACUUM ANALYZE users")
    found, _ = await rehearsed(book, place)
    proofs.keep(found)
    execute(database, *SETUP, FILL.format(10_000), "VACUUM ANALYZE users")

    nightly = session(database, name="nightly_report", autocommit=False)
    async with opened(book, database, size) as console, nightly as report:
        pilot, app = console.pilot, console.app
        listed = app.console_screen.query_one("#outline", Lines).text.splitlines()
        # Nothing verifies this runbook's steps; the one whose way back loses has the worse word.
        words = [line.split()[-1] for line in listed if "Step" in line]
        assert words == ["untested", "lossy"]

        await report.execute("SELECT count(*) FROM users")
        sentence = "1 wants ACCESS EXCLUSIVE on users; would queue behind"
        await console.until(lambda: sentence in console.text("#step"))
        who = f"{report.info.backend_pid} (nightly_report), idle in transaction"
        assert f"{sentence} {who}" in console.text("#step")
        await console.press("enter")
        await console.until(lambda: console.state.window_opened_at is not None and not console.state.busy)
        await console.until(lambda: "its way back was proven just now on 18." in console.text("#step"))
        assert "10 k rows here" in console.text("#step")
        assert "1.0 k rows in rehearsal" in console.text("#step")

        await console.press("enter")
        waits = r"wants ACCESS EXCLUSIVE on users \(\d+ kB(, 10 k rows)?\) as rehearsed"
        await console.until(lambda: re.search(waits, console.text("#step")) is not None)
        await report.rollback()
        await console.until(lambda: console.state.applied == ("1",) and not console.state.busy)
        assert "roll back by" in console.text("#header")
        await console.press("enter")
        await console.until(lambda: console.state.applied == ("1", "2") and not console.state.busy)

        execute(database, "INSERT INTO logins VALUES (1), (2)", "UPDATE users SET phone = NULL WHERE id > 7")
        await console.press("R")
        await console.until(lambda: isinstance(app.screen, Dialog) and "2 rows of logins" in console.question)
        assert "(12 in all)" in console.question
        assert "lossy" in console.question
        assert "- index by_name on public.users is gone" in console.question
        assert "goes with it users.phone (7)" in console.question
        assert "schema identical to the one at" in console.question
        await pilot.press("right", "right", "enter")
        await console.until(lambda: console.state.compared is not None)
        await pilot.pause()
        told = console.text("#step")
        assert "not what it was at" in told
        assert "- index by_name on public.users is gone" in told


async def test_a_lock_that_no_rehearsal_saw_is_marked_while_it_is_held(
    tmp_path: Path, server18: EmbeddedServer, database: str
) -> None:
    # Where there is a table more, the step locks it as well, and makes one of its own.
    script = (
        "DO $$ BEGIN IF to_regclass('audit') IS NOT NULL THEN LOCK TABLE audit IN EXCLUSIVE MODE; END IF; END $$;\n"
        "CREATE TABLE own (id int PRIMARY KEY);\nALTER TABLE users ADD COLUMN phone text;"
    )
    steps = {"1": script}
    book = write(
        tmp_path / "small", steps, {"1": "ALTER TABLE users DROP COLUMN phone; DROP TABLE own;"}, safety=PATIENT
    )
    found, _ = await rehearsed(book, OnServer(server18, *SETUP))
    proofs.keep(found)
    execute(database, *SETUP, "CREATE TABLE audit (id int PRIMARY KEY)")

    async with opened(book, database, (120, 40)) as console, session(database, name="web", autocommit=False) as web:
        await console.press("enter")
        await console.until(lambda: console.state.window_opened_at is not None and not console.state.busy)
        await web.execute("SELECT count(*) FROM users")
        await console.press("enter")
        await console.until(lambda: "! holds EXCLUSIVE on audit not foreseen" in console.text("#step"))
        # Neither what it makes nor an index nor our own ledger is called so.
        assert console.text("#step").count("not foreseen") == 1
        await web.rollback()
        await console.until(lambda: console.state.applied == ("1",) and not console.state.busy)
