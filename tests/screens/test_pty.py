"""The real program in a real terminal: whole nights, wrong keys, small screens, and everything that can end it."""

import signal
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from demos import Place, eventually, place
from pty_console import KEYS, QUIET, Terminal, deeds, journal, state, terminal
from runbooks import write

from tui.engine import events as e

BOOK = "iso-agents-to-users"
DEMO = ("demo", BOOK, "--scale", "0.05", "--operator", "dba1")
SEEN = "SELECT max(special_requirements) FROM requests WHERE special_requirements LIKE 'seen%'"
NEW_SIGN_UPS = "SELECT count(*) FROM users WHERE clerk_user_id LIKE 'user_4%'"
UNDONE = "SELECT xact_rollback FROM pg_stat_database WHERE datname = 'app'"
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lockstep %' AND datname = current_database()"
END_THE_REPORT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'billing_report'"
BACK_CHECKS = 9


def ask(dsn: str, query: str) -> str:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return str(row[0]) if row else ""


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with place(monkeypatch) as one:
        yield one


# The acts of an operator on the shipped runbook


def tick_before(console: Terminal) -> None:
    """The ten lines of the checklist that wait for a human, then all is done."""
    console.see("Full backup of production", "enter Open the window (9 open)")
    for _ in range(10):
        console.press("space")
        console.live(0.05)
        console.press("down")
    console.see("enter Open the window space")


def open_window(console: Terminal) -> None:
    tick_before(console)
    console.act_to_see("enter", "Run 004")


def pass_gate(console: Terminal, step: str) -> None:
    """The step's gate is shut: the console names it and leads to its line, where a tick opens it."""
    console.see(f"enter Run {step} (1 open)")
    console.act_to_see("enter", "Not yet", f"Step {step} does not run yet")
    console.press("escape")
    console.see_no("Not yet")
    console.press("space")
    console.see(f"enter Run {step} space Untick")


def run_step(console: Terminal, step: str) -> None:
    console.act("enter", lambda lines: not console.has(f"enter Run {step}"), f"{step} running")


def free_004(console: Terminal) -> None:
    """004 waits behind the report: who blocks it stands above it, who queues below; ``k`` ends the report."""
    pass_gate(console, "004")
    run_step(console, "004")
    console.see("billing_report", "us ", "web", "k Terminate", "wants ACCESS EXCLUSIVE on iso_agents")
    console.act_to_see("k", "Terminate session")
    console.see("billing_report as reporting", "frees us", "nothing of it is lost")
    console.answer("Terminate session", "left", "enter")
    console.see("enter Run 005", timeout=60)


def test_from_demo_to_done(here: Place) -> None:
    with terminal(*DEMO, cold=True) as console:
        open_window(console)
        free_004(console)
        dsn = here.dsn
        seen = ask(dsn, SEEN)
        console.wait_for(lambda _: ask(dsn, SEEN) > seen, what="the application at work")

        pass_gate(console, "005")
        run_step(console, "005")
        console.see("enter Run 006", timeout=60)
        seen, undone = ask(dsn, SEEN), int(ask(dsn, UNDONE))
        console.wait_for(lambda _: int(ask(dsn, UNDONE)) > undone + 10, what="an application that fails")
        assert ask(dsn, SEEN) == seen

        run_step(console, "006")
        console.see("enter Run 007", timeout=60)
        run_step(console, "007")
        console.see("iso_agents to users is done", "24 of 24 verified", timeout=60)
        console.see("○ Deploy the new application version", "terminated by dba1")
        console.live(1)
        assert ask(dsn, SEEN) == seen

        console.press("end")
        for _ in range(40):
            if console.has("vercel --prod"):
                break
            console.press("up")
            console.live(0.2)
        console.press("space")
        console.see("✓ Deploy the new application version", "ticked by dba1")
        console.wait_for(lambda _: ask(dsn, SEEN) > seen, what="the new application at work")
        console.wait_for(lambda _: int(ask(dsn, NEW_SIGN_UPS)) > 0, what="a sign-up in users")

        console.press("q")
        assert console.end() == 0
        console.assert_restored()
    assert state().applied == ("004", "005", "006", "007")
    assert state().verified
    assert deeds()[-3:] == ["forward 005", "forward 006", "forward 007"]
    assert isinstance(journal()[-1], e.RunClosed)
    assert here.empty()


def test_from_demo_to_rolled_back_on_a_small_screen(here: Place) -> None:
    with terminal(*DEMO, size=(80, 24)) as console:
        open_window(console)
        pass_gate(console, "004")
        run_step(console, "004")
        console.see("k Terminate")
        # The window is resized at the worst moment, also to one that shows next to nothing.
        for size in ((200, 60), (40, 10), (120, 40), (80, 24)):
            console.resize(*size)
            console.live(0.3)
        console.see("004", "try ")
        console.act_to_see("k", "Terminate session")
        console.answer("Terminate session", "left", "enter")
        console.see("enter Run 005", timeout=60)
        pass_gate(console, "005")
        run_step(console, "005")
        console.see("enter Run 006", timeout=60)

        console.act_to_see("R", "Roll back to before 004?", "1. 005 Back from", "2. 004 Back from")
        console.see("verify: schema identical to the one at", "9 checks", "untested", "users.avatar_url (")
        console.answer("Roll back to before 004?", "enter")
        console.live(1)
        assert "RollbackPlanned" not in deeds()
        console.act_to_see("R", "Roll back to before 004?")
        console.answer("Roll back to before 004?", "left", "enter")
        console.see("everything is rolled back", "no step is applied", "verified that it is back", timeout=60)
        console.wait_for(lambda _: state().verified and not state().busy, what="all verified")
        console.live(0.5)
        checks = [v for v in state().due if v.plan.after == "back"]
        assert len(checks) == BACK_CHECKS
        assert not console.has("✗ iso_agents is there")
        console.see("✓ identical to the schema at")
        assert console.has("↺↺")
        console.press("q")
        assert console.end() == 0
        console.assert_restored()
    assert state().rolled_back
    assert here.empty()


# Wrong keys, on a runbook of two steps


@contextmanager
def held(dsn: str) -> Iterator[Callable[[], None]]:
    """A session that holds the table which step 2 needs, until it is told to go."""
    with psycopg.connect(dsn) as holder:
        holder.execute("SET application_name = 'nightly_report'")
        holder.execute("SELECT * FROM held")
        yield holder.rollback


@pytest.fixture
def book(tmp_path: Path, database: str) -> str:
    """Two steps without a gate; the second needs a table that somebody may hold."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE held (a int)")
    steps = {"1": "CREATE TABLE t (a int)", "2": "INSERT INTO t VALUES (1); ALTER TABLE held ADD b int"}
    back = {"1": "DROP TABLE t", "2": "ALTER TABLE held DROP b; TRUNCATE t"}
    patient = '[safety]\nlock_timeout = "60s"'
    return str(write(tmp_path / "small", steps, back, safety=patient))


@contextmanager
def waiting(book: str, dsn: str) -> Iterator[Terminal]:
    """A console whose step 2 waits for a lock."""
    with held(dsn), terminal("open", book, "-d", dsn) as console:
        console.see("enter Open the window")
        console.act_to_see("enter", "enter Run 1")
        console.act_to_see("enter", "enter Run 2")
        run_step(console, "2")
        console.see("k Terminate", "nightly_report", "STEPS 1 of 2")
        yield console


def press_everything(console: Terminal, but: str) -> None:
    """Every key that is no letter of ``but``, each kind of click, and a long paste."""
    printable = string.ascii_letters + string.digits + string.punctuation + "äß漢🙂 "
    for key in printable:
        if key not in but:
            console.press(key)
            console.live(0.02)
    for name in KEYS:
        if name.startswith("f") or name in ("home", "end", "pageup", "pagedown", "insert", "delete", "backspace"):
            console.press(name)
    for letter in "abdefghklnorstuvwxyz":
        console.press(f"ctrl+{letter}")
        console.press("escape")
    console.paste("Rk\rq y\n" * 300)
    for line in range(1, 40, 2):
        console.click(3 + line * 2, line)
    console.press("\x1b[<64;60;20M", "\x1b[<65;60;20M", "\x1b[<2;60;20M", "\x1b[200~", "\x1b[201~", "\x1b[999~")
    console.live(0.5)
    console.press("escape", "escape")


def test_wrong_keys_at_the_start_do_nothing(book: str, database: str) -> None:
    with terminal("open", book, "-d", database) as console:
        console.see("enter Open the window")
        press_everything(console, but="q")
        console.see("enter Open the window")
        assert deeds() == []
        console.press("q")
        assert console.end() == 0
        console.assert_restored()
    assert ask(database, "SELECT to_regclass('t')::text") == "None"


def test_wrong_keys_during_a_step_do_nothing(book: str, database: str) -> None:
    with waiting(book, database) as console:
        press_everything(console, but="c")
        console.see("k Terminate")
        assert deeds() == ["window", "forward 1", "forward 2"]
        assert ask(database, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nightly_report'") == "1"


def test_a_dialog_keeps_its_keys_and_escape_or_enter_leaves_without_harm(book: str, database: str) -> None:
    with waiting(book, database) as console:
        before = deeds()
        for key, title in (("R", "Roll back to before 1?"), ("k", "Terminate session"), ("q", "Leave the console?")):
            console.act_to_see(key, title)
            for wrong in "RkqcptvonlR":
                console.press(wrong)
                console.live(0.02)
            console.see(title)
            console.press("escape")
            console.see_no(title)
            console.act_to_see(key, title)
            # Away from the last answer and back to the harmless one, faster than anybody types: all in one packet.
            console.answer(title, KEYS["left"] + KEYS["right"] + KEYS["enter"])
        console.live(0.5)
        console.see("k Terminate")
        assert deeds() == before
        assert not state().paused


def test_a_held_enter_does_one_thing(book: str, database: str) -> None:
    with terminal("open", book, "-d", database) as console:
        console.see("enter Open the window")
        console.live(1)
        console.hold("enter")
        console.see("enter Run 1")
        assert deeds() == ["window"]
        console.live(1)
        console.hold("enter")
        console.see("enter Run 2")
        assert deeds() == ["window", "forward 1"]
        console.live(1)
        console.press("enter")
        console.see("is done")
        assert deeds() == ["window", "forward 1", "forward 2"]


# Ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_cancels_the_step_and_is_told_by_the_exit_code(
    book: str, database: str, number: signal.Signals
) -> None:
    with waiting(book, database) as console:
        console.process.send_signal(number)
        assert console.end() == 128 + number
        console.assert_restored()
    assert ask(database, "SELECT string_agg(step, ',') FROM lockstep.act") == "1"
    assert ask(database, "SELECT count(*) FROM t") == "0"
    closed = journal()[-1]
    assert isinstance(closed, e.RunClosed)
    assert closed.exit_code == 128 + number
    assert ask(database, OURS) == "0"


def test_leaving_a_running_step_asks_and_then_cancels_it(book: str, database: str) -> None:
    with waiting(book, database) as console:
        console.act_to_see("q", "Leave the console?", "2 runs: it is cancelled first", "1 is committed and will stay")
        console.answer("Leave the console?", "enter")
        console.see("k Terminate")
        console.act_to_see("ctrl+c", "Leave the console?")
        console.live(QUIET)
        console.press("right", "enter")
        assert console.end() == 0
        console.assert_restored()
    assert deeds()[-1] == "ScriptFailed"
    assert ask(database, "SELECT string_agg(step, ',') FROM lockstep.act") == "1"
    assert ask(database, "SELECT count(*) FROM t") == "0"
    assert ask(database, OURS) == "0"


def test_a_closed_terminal_cancels_the_step(book: str, database: str) -> None:
    with waiting(book, database) as console:
        console.hang_up()
        assert console.end() == 128 + signal.SIGHUP
    assert deeds()[-1] == "ScriptFailed"
    assert isinstance(journal()[-1], e.RunClosed)
    assert ask(database, OURS) == "0"


def test_a_closed_terminal_leaves_nothing_of_a_demo(here: Place) -> None:
    with terminal(*DEMO) as console:
        console.see("enter Open the window", "billing_report")
        assert len(here.servers) == 1
        assert len(here.processes) == 2
        console.hang_up()
        assert console.end() == 128 + signal.SIGHUP
        assert here.empty()


def test_killed_during_006_it_is_opened_again_and_goes_on(here: Place) -> None:
    command = [sys.executable, "-m", "tui", "demo", "--no-console", "--scale", "0.05"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as demo:
        try:
            assert demo.stdout is not None
            dsn = demo.stdout.readline().strip()
            assert eventually(lambda: ask(dsn, END_THE_REPORT) == "True")
            with psycopg.connect(dsn) as holder:
                with terminal("open", BOOK, "-d", dsn, "--operator", "dba1") as console:
                    open_window(console)
                    pass_gate(console, "004")
                    run_step(console, "004")
                    console.see("enter Run 005", timeout=60)
                    pass_gate(console, "005")
                    run_step(console, "005")
                    console.see("enter Run 006", timeout=60)
                    holder.execute("SELECT 1 FROM client_profiles LIMIT 1")
                    run_step(console, "006")
                    console.see("k Terminate")
                    console.process.send_signal(signal.SIGKILL)
                    assert console.end() == 128 + signal.SIGKILL
                holder.rollback()
            with terminal("open", BOOK, "-d", dsn, "--operator", "dba2") as console:
                console.see("This run was open on", "(dba1)", "004 committed", "005 committed", "006 not begun")
                console.see("The window is open since", "enter Run 006")
                run_step(console, "006")
                console.see("enter Run 007", timeout=60)
                run_step(console, "007")
                console.see("iso_agents to users is done", "24 of 24 verified", timeout=60)
                # While the probes after it are still asked, leaving is asked about.
                console.see("5 of 17", "v Verify again", timeout=60)
                console.press("q")
                assert console.end() == 0
                console.assert_restored()
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(30)
    assert deeds() == ["window", *(f"forward {step}" for step in ("004", "005", "006", "006", "007"))]
