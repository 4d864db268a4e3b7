"""Every way to end the console at every moment: what was in flight is cancelled, and nothing of us stays anywhere.

The five consoles of a moment are brought there side by side, each on a database of its own, and ended one by one.
"""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from pty_console import QUIET, Terminal, terminal
from runbooks import execute, one, opened, write

from tui.engine import events as e
from tui.engine.journal import read, stored_runs
from tui.postgres.embedded import EmbeddedServer

GONE_WITHIN = 2.0
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lockstep %' AND datname = current_database()"
RUNNER = "FROM pg_stat_activity WHERE application_name = 'lockstep runner' AND datname = current_database()"
SLEEPS = f"SELECT wait_event = 'PgSleep' {RUNNER}"
WAITS = f"SELECT wait_event_type = 'Lock' {RUNNER}"
SAFETY = '[safety]\nlock_timeout = "60s"\nstatement_timeout = "60s"'
IMPATIENT = '[safety]\nlock_timeout = "50ms"\nlock_retries = 20'
SLOW_CHECK = """
[[verification]]
id = "slow"
title = "Slow"
sql = "SELECT pg_sleep(60)"
after = "1"
expect = { rows = 1 }
"""
SLOW_PROBE = """
[[checklist]]
id = "slow"
phase = "before"
title = "Slow"
sql = "SELECT pg_sleep(60)"
expect = { rows = 1 }
"""
ENDINGS = ("SIGINT", "SIGTERM", "SIGHUP", "hang up", "q")


@dataclass
class Night:
    """One console on its own database, and how it is to end."""

    ending: str
    dsn: str
    book: Path
    console: Terminal = field(init=False)

    @property
    def code(self) -> int:
        if self.ending == "q":
            return 0
        return 128 + (signal.SIGHUP if self.ending == "hang up" else signal.Signals[self.ending])

    @property
    def events(self) -> list[e.Event]:
        (run,) = [run for run in stored_runs() if run.opened.runbook == self.book.name]
        return read(run.path)

    def acts(self, direction: str = "forward") -> object:
        """How many scripts of its runbook are committed."""
        which = f"runbook = '{self.book.name}' AND direction = '{direction}'"
        return one(self.dsn, f"SELECT count(*) FROM lockstep.act WHERE {which}")

    def until(self, query: str) -> None:
        """Until the database says yes."""
        self.console.wait_for(lambda _: one(self.dsn, query) is True, what=query)

    def end(self) -> float:
        """Ends it; gives the seconds until the last session of ours was gone."""
        console = self.console
        if self.ending == "q":
            console.press("q")
            with suppress(AssertionError):  # where nothing would be lost it goes without a question
                console.see("Leave the console?")
                console.live(QUIET)
                console.press("right", "enter")
        elif self.ending == "hang up":
            console.hang_up()
        else:
            console.process.send_signal(signal.Signals[self.ending])
        begun = time.monotonic()
        with psycopg.connect(self.dsn, autocommit=True) as observer:
            while observer.execute(OURS.encode()).fetchone() != (0,) and time.monotonic() < begun + 10:
                console.live(0)
                time.sleep(0.02)
        return time.monotonic() - begun


@cache
def database_of(server: EmbeddedServer, ending: str) -> str:
    """The database of this ending, with a table that somebody may hold; it goes when its server does."""
    dsn = server.create_database(f"test_{uuid4().hex[:12]}")
    execute(dsn, "CREATE TABLE held (a int)")
    return dsn


@pytest.fixture
def nights(server18: EmbeddedServer, tmp_path: Path) -> list[Night]:
    """One for each ending; the names of their runbooks are no other test's."""
    return [Night(ending, database_of(server18, ending), tmp_path / f"book-{uuid4().hex[:8]}") for ending in ENDINGS]


@contextmanager
def consoles(nights: list[Night]) -> Iterator[None]:
    with ExitStack() as stack:
        for night in nights:
            night.console = stack.enter_context(terminal("open", str(night.book), "-d", night.dsn))
        yield


def press(nights: list[Night], text: str, key: str, query: str) -> None:
    """Each console shows this text, gets this key, and then its database says yes."""
    for night in nights:
        night.console.see(text)
    for night in nights:
        night.console.live(QUIET / len(nights))
    for night in nights:
        night.console.press(key)
    for night in nights:
        night.until(query)


async def begin(nights: list[Night], acts: int) -> None:
    """An earlier console did this much: 1 opened the window, 2 ran the first step."""
    for night in nights:
        async with opened(night.book, night.dsn) as live:
            for _ in range(acts):
                await live.run.go_on()


def end_all(nights: list[Night], left: int = 0) -> None:
    """Ends each; ``left`` is the exit code of ``q``: 1 where it leaves something that was not done to its end."""
    told = {}
    for night in nights:
        gone = night.end()
        begun = time.monotonic()
        code = night.console.end()
        told[night.ending] = (round(gone, 2), round(time.monotonic() - begun, 2), code)
    for night in nights:
        gone, _, code = told[night.ending]
        assert gone < GONE_WITHIN, (night.ending, told)
        assert code == (left if night.ending == "q" else night.code), (night.ending, told)
        if night.ending != "hang up":
            night.console.assert_restored()
        closed = night.events[-1]
        assert isinstance(closed, e.RunClosed)
        assert closed.exit_code == code


def cancelled(nights: list[Night], direction: str = "forward") -> None:
    """The script in flight was cancelled and rolled back, and was told so."""
    for night in nights:
        (failed,) = [event for event in night.events if isinstance(event, e.ScriptFailed)]
        assert (failed.direction, failed.reason, failed.outcome) == (direction, "cancelled", "rolled_back")
        assert night.acts(direction) == 0


def test_while_it_connects(tmp_path: Path) -> None:
    """The server takes the connection and says nothing, as one behind a broken firewall does."""
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as stack:
        dsn = f"host=127.0.0.1 port={silent.getsockname()[1]} dbname=app"
        book = write(tmp_path / "small", {"1": "SELECT 1"}, {"1": "SELECT 1"})
        nights = [Night(ending, dsn, book) for ending in ENDINGS]
        for night in nights:
            night.console = stack.enter_context(terminal("open", str(book), "-d", dsn))
        for _ in nights:
            stack.enter_context(silent.accept()[0])
        for night in nights:
            night.console.see("q Quit")
            begun = time.monotonic()
            if night.ending == "q":
                night.console.press("q")
            elif night.ending == "hang up":
                night.console.hang_up()
            else:
                night.console.process.send_signal(signal.Signals[night.ending])
            assert night.console.end() == night.code, night.ending
            assert time.monotonic() - begun < GONE_WITHIN + 1, night.ending
            if night.ending != "hang up":
                night.console.assert_restored()


def test_before_the_window(nights: list[Night]) -> None:
    for night in nights:
        write(night.book, {"1": "SELECT 1"}, {"1": "SELECT 1"})
    with consoles(nights):
        for night in nights:
            night.console.see("enter Open the window")
        end_all(nights)


def test_while_a_probe_runs(nights: list[Night]) -> None:
    for night in nights:
        write(night.book, {"1": "SELECT 1"}, {"1": "SELECT 1"}, safety=SAFETY, more=SLOW_PROBE)
    with consoles(nights):
        for night in nights:
            night.until(SLEEPS)
        end_all(nights)


async def test_while_a_statement_waits_for_a_lock(nights: list[Night]) -> None:
    for night in nights:
        write(night.book, {"1": "ALTER TABLE held ADD b int"}, {"1": "SELECT 1"}, safety=SAFETY)
    await begin(nights, 1)
    with ExitStack() as holders:
        for night in nights:
            holders.enter_context(psycopg.connect(night.dsn)).execute("SELECT * FROM held")
        with consoles(nights):
            press(nights, "enter Run 1", "enter", WAITS)
            end_all(nights)
    cancelled(nights)


async def test_while_a_statement_computes(nights: list[Night]) -> None:
    for night in nights:
        write(night.book, {"1": "CREATE TABLE t (); SELECT pg_sleep(60)"}, {"1": "SELECT 1"}, safety=SAFETY)
    await begin(nights, 1)
    with consoles(nights):
        press(nights, "enter Run 1", "enter", SLEEPS)
        end_all(nights)
    cancelled(nights)
    for night in nights:
        assert one(night.dsn, "SELECT to_regclass('t') IS NULL") is True


async def test_between_two_tries(nights: list[Night]) -> None:
    for night in nights:
        write(night.book, {"1": "ALTER TABLE held ADD b int"}, {"1": "SELECT 1"}, safety=IMPATIENT)
    await begin(nights, 1)

    def pauses(night: Night) -> bool:
        last = night.events[-1]
        left = last.retry_in - (e.now() - last.at).total_seconds() if isinstance(last, e.LocksGivenBack) else 0
        return left > 1

    with ExitStack() as holders:
        for night in nights:
            holders.enter_context(psycopg.connect(night.dsn)).execute("SELECT * FROM held")
        with consoles(nights):
            press(nights, "enter Run 1", "enter", f"SELECT count(*) = 1 {RUNNER}")
            for night in nights:
                night.console.wait_for(lambda _, night=night: pauses(night), what="a pause")  # type: ignore[misc]
                end_all([night])
    cancelled(nights)


async def test_while_a_verification_runs(nights: list[Night]) -> None:
    for night in nights:
        write(night.book, {"1": "SELECT 1"}, {"1": "SELECT 1"}, safety=SAFETY, more=SLOW_CHECK)
    await begin(nights, 1)
    with consoles(nights):
        press(nights, "enter Run 1", "enter", SLEEPS)
        # A verification without an answer is red.
        end_all(nights, left=1)
    for night in nights:
        assert night.acts() == 1


async def test_while_it_goes_back(nights: list[Night]) -> None:
    for night in nights:
        write(night.book, {"1": "SELECT 1"}, {"1": "SELECT pg_sleep(60)"}, safety=SAFETY)
    await begin(nights, 2)
    with consoles(nights):
        press(nights, "R Roll back", "R", "SELECT true")
        for night in nights:
            night.console.see("Roll back to before 1?")
        for night in nights:
            night.console.live(QUIET / len(nights))
        for night in nights:
            night.console.press("left", "enter")
        for night in nights:
            night.until(SLEEPS)
        end_all(nights, left=1)
    cancelled(nights, "back")


async def test_while_a_dialog_is_open_over_a_running_step(nights: list[Night]) -> None:
    for night in nights:
        write(night.book, {"1": "CREATE TABLE t (); SELECT pg_sleep(60)"}, {"1": "SELECT 1"}, safety=SAFETY)
    await begin(nights, 1)
    with consoles(nights):
        press(nights, "enter Run 1", "enter", SLEEPS)
        press(nights, "c Cancel", "q", "SELECT true")
        for night in nights:
            night.console.see("Leave the console?")
        end_all(nights)
    cancelled(nights)
