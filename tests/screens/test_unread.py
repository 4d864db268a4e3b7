"""A terminal that nobody reads (a hung connection, a stopped tmux client) stops neither the engine nor its end."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from pty_console import Terminal, journal, terminal
from runbooks import one, write

from tui.engine import events as e

OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lockstep %' AND datname = current_database()"
GONE_WITHIN = 2.0


@pytest.fixture
def book(tmp_path: Path, database: str) -> str:
    """A step that gives its locks back again and again, as long as somebody holds the table."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE held (a int)")
    impatient = '[safety]\nlock_timeout = "300ms"\nlock_retries = 20'
    return str(write(tmp_path / "small", {"1": "ALTER TABLE held ADD b int"}, {"1": "SELECT 1"}, safety=impatient))


@contextmanager
def trying(book: str, dsn: str) -> Iterator[Terminal]:
    """A console whose step is on the lock ladder."""
    with psycopg.connect(dsn) as holder, terminal("open", book, "-d", dsn) as console:
        holder.execute("SET application_name = 'nightly_report'")
        holder.execute("SELECT * FROM held")
        console.see("enter Open the window")
        console.act_to_see("enter", "enter Run 1")
        console.act("enter", lambda _: console.has("try 1"), "step 1 running")
        yield console
        holder.rollback()


def leave_unread(console: Terminal, seconds: float) -> None:
    """Nobody reads for this long, while every frame is drawn whole: more than any pseudo-terminal holds."""
    until = time.monotonic() + seconds
    wide = False
    while time.monotonic() < until:
        wide = not wide
        console.resize(121 if wide else 120, 40)
        time.sleep(0.05)
    console.resize(120, 40)


def assert_whole(lines: list[str]) -> None:
    """Nothing of another frame is on it: the frame stands, and what is empty on this screen is empty."""
    assert lines[0].startswith("  NOT PRODUCTION   ")
    assert lines[1].startswith(" window ")
    split = lines[2].index("┬")
    assert lines[2].replace("┬", "─") == "─" * 120
    assert lines[38].index("┴") == split
    assert lines[38].replace("┴", "─") == "─" * 120
    assert lines[3].startswith(" STEPS ")
    assert " 1 Step 1 " in lines[4]
    for line in lines[5:38]:
        assert line[:split].strip() == ""
        assert line[split] in "│├"
    assert lines[35][split:].startswith("│ behind us ")
    assert lines[37][split:].startswith("│ monitor ")
    assert lines[39].startswith(" k Terminate ")


def given_back() -> int:
    return sum(isinstance(event, e.LocksGivenBack) for event in journal())


def test_the_lock_ladder_goes_on_and_the_screen_is_whole_when_it_is_read_again(book: str, database: str) -> None:
    with trying(book, database) as console:
        leave_unread(console, 2)
        before = given_back()
        until = time.monotonic() + 20
        while given_back() < before + 1:
            assert time.monotonic() < until, "the locks are given back no more"
            leave_unread(console, 0.5)
        console.see("nightly_report", f"try {given_back() + 1}", "k Terminate", timeout=20)
        assert_whole(console.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_as_ever(book: str, database: str, number: signal.Signals) -> None:
    with trying(book, database) as console:
        leave_unread(console, 2)
        console.process.send_signal(number)
        begun = time.monotonic()
        while one(database, OURS) != 0:
            assert time.monotonic() < begun + GONE_WITHIN, "sessions of ours are still there"
            time.sleep(0.02)
        # Only now is anything read again.
        assert console.process.wait(5) == 128 + number
        assert console.end() == 128 + number
        console.assert_restored()
    assert isinstance(journal()[-1], e.RunClosed)
