"""``lockstep watch`` as the real program in a real terminal, on real waits: keys, wrong keys, and all its ends."""

import json
import signal
import string
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo
from pty_console import KEYS, QUIET, Terminal, terminal

from tui.engine import events as e
from tui.engine.journal import read
from tui.paths import state_root

OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lockstep %' AND datname = current_database()"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def ask(dsn: str, query: str) -> str:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return str(row[0]) if row else ""


class Night:
    """A report that holds a table, an ALTER that waits for it, and sessions behind it."""

    def __init__(self, dsn: str, stack: ExitStack, queued: int) -> None:
        self.dsn = dsn
        self._stack = stack
        setup = self._session("setup")
        setup.execute("CREATE TABLE profiles AS SELECT generate_series(1, 100) AS id")
        self.report = self._session("billing_report")
        self.report.execute("BEGIN")
        self.report.execute("SELECT count(*) FROM profiles")
        self.migrate = self._send("migrate", "ALTER TABLE profiles ADD vat text")
        self.wait(1)
        self.queue = [self._send("web", "SELECT * FROM profiles WHERE id = 7") for _ in range(queued)]
        self.wait(queued + 1)

    def _session(self, name: str) -> "psycopg.Connection[tuple[object, ...]]":
        return self._stack.enter_context(closing(psycopg.connect(self.dsn, autocommit=True, application_name=name)))

    def _send(self, name: str, statement: str) -> "psycopg.Connection[tuple[object, ...]]":
        connection = self._session(name)
        connection.pgconn.send_query(statement.encode())
        connection.pgconn.flush()
        return connection

    def wait(self, count: int) -> None:
        """Until so many sessions wait for a lock."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET statement_timeout = '20s'")
            connection.execute(
                f"DO $$BEGIN WHILE ({WAITING}) < {count} LOOP "
                "PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP; END$$".encode()
            )


@pytest.fixture
def night(database: str) -> Iterator[Night]:
    with ExitStack() as stack:
        one = Night(database, stack, 6)
        yield one
        ask(database, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


def pid(session: "psycopg.Connection[tuple[object, ...]]") -> int:
    return session.info.backend_pid


@contextmanager
def watched(night: Night, *more: str, size: tuple[int, int] = (120, 40), cold: bool = False) -> Iterator[Terminal]:
    with terminal("watch", "-d", night.dsn, *more, size=size, cold=cold) as console:
        console.see(f"{pid(night.report)} billing_report", f"{pid(night.migrate)} migrate")
        yield console


def test_from_start_to_export_and_quit(night: Night, tmp_path: Path) -> None:
    with watched(night, cold=True) as console:
        console.see("READ ONLY", "PostgreSQL 18", "wants ACCESS EXCLUSIVE on profiles", "7 sessions wait behind it")
        # In one packet: what is typed faster than the field has the focus is not lost, and no key of another kind.
        console.press("/app:migrate")
        console.see("shows 1 of")
        console.press("enter")
        console.see("FILTER hides", "1 of 9 sessions by age of transaction")
        console.press("p")
        console.see("PAUSED since")
        console.press("e")
        console.see("Export what is shown")
        console.press(*str(tmp_path / "night"))
        console.live(QUIET)
        console.press("enter")
        console.live(QUIET)
        console.press("left", "enter")
        console.see("written:")
        told = json.loads((tmp_path / "night.json").read_text())
        assert [one["pid"] for one in told["sessions"]] == [pid(night.migrate)]
        assert told["tree"][0]["pid"] == pid(night.report)
        assert len(told["tree"][0]["children"][0]["children"]) == 6
        console.press("p")
        console.see_no("PAUSED since")
        console.press("escape")
        console.see_no("FILTER hides")
        console.press("q")
        assert console.end() == 0
        console.assert_restored()
    assert ask(night.dsn, OURS) == "0"
    assert ask(night.dsn, WAITING) == "7"
    assert not (state_root() / "watch").exists()


def test_on_a_small_screen_every_pane_and_the_detail(night: Night) -> None:
    with watched(night, size=(80, 24)) as console:
        console.see("LOCKS", "SESSIONS", "/ Filter", "q Quit")
        for size in ((200, 60), (40, 10), (120, 40), (80, 24)):
            console.resize(*size)
            console.live(0.3)
        console.see(f"{pid(night.migrate)} migrate")
        console.press("down", "down")
        console.see("enter Detail")
        console.press("enter")
        console.see(f"Session {pid(night.migrate)}", "wants ACCESS EXCLUSIVE on profiles", "BLOCKS 6 sessions")
        console.press("escape")
        console.press("tab", "down", "s", "s")
        console.see("by time in its state")
        console.press("q")
        assert console.end() == 0
        console.assert_restored()


def test_with_act_k_ends_the_one_under_the_cursor_after_a_question(night: Night) -> None:
    with watched(night, "--act") as console:
        console.see("MAY END SESSIONS")
        console.press("down")
        console.see(f"k Terminate {pid(night.report)}")
        console.act_to_see("k", f"Terminate session {pid(night.report)}?", "billing_report as postgres")
        console.answer("Terminate session", "enter")
        assert ask(night.dsn, WAITING) == "7"
        console.act_to_see("k", f"Terminate session {pid(night.report)}?")
        console.answer("Terminate session", "left", "enter")
        console.see("recorded in", "nobody waits for a lock")
        console.press("q")
        assert console.end() == 0
        console.assert_restored()
    (path,) = (state_root() / "watch").iterdir()
    (event,) = read(path)
    assert isinstance(event, e.SessionSignalled)
    assert (event.pid, event.action, event.gone) == (pid(night.report), "terminate", True)
    assert ask(night.dsn, OURS) == "0"


def test_wrong_keys_do_nothing(night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with watched(night) as console:
        console.press("down")
        # Everything that is no key of its own, with those that act elsewhere.
        for key in set(string.ascii_letters + string.digits + string.punctuation + "äß漢🙂") - set("qpe/sSt?"):
            console.press(key)
            console.live(0.02)
        for name in KEYS:
            if name.startswith("f") or name in ("insert", "delete", "backspace"):
                console.press(name)
        for letters in ("abde", "fghkl", "nors", "tuvw", "xyz"):
            console.press(*(f"ctrl+{letter}" for letter in letters), "escape")
        console.paste("kR\rq y\n" * 100)
        for line in range(1, 40, 2):
            console.click(3 + line * 2, line)
        console.press("\x1b[200~", "\x1b[201~", "\x1b[999~")
        console.live(0.5)
        console.press("escape", "escape", "escape")
        console.see(f"{pid(night.migrate)} migrate", "READ ONLY")
        assert ask(night.dsn, WAITING) == "7"
        assert list(tmp_path.iterdir()) == []


def test_the_environment_names_the_server_and_the_password_of_no_one(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = conninfo.conninfo_to_dict(night.dsn)
    for name, variable in (("host", "PGHOST"), ("port", "PGPORT"), ("user", "PGUSER"), ("dbname", "PGDATABASE")):
        monkeypatch.setenv(variable, str(known[name]))
    with terminal("watch") as console:
        console.see(f"{known['dbname']} on localhost", f"{pid(night.migrate)} migrate")


@pytest.mark.parametrize("dsn", ["host=127.0.0.1 port=1 dbname=app password=hunter2", "nowhere at all"])
def test_no_connection_is_one_sentence_and_3(dsn: str) -> None:
    with terminal("watch", "-d", dsn) as console:
        assert console.end() == 3
        told = " ".join(console.text.split())
        assert "lockstep: " in told
        assert "127.0.0.1" in told or "cannot read the DSN" in told
        assert "Traceback" not in told
        assert "hunter2" not in told
        console.assert_restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_restores_the_terminal_and_is_told_by_the_exit_code(night: Night, number: signal.Signals) -> None:
    with watched(night, "--act") as console:
        console.process.send_signal(number)
        assert console.end() == 128 + number
        console.assert_restored()
    assert ask(night.dsn, OURS) == "0"


def test_a_closed_terminal_ends_it(night: Night) -> None:
    with watched(night) as console:
        console.hang_up()
        assert console.end() == 128 + signal.SIGHUP
    assert ask(night.dsn, OURS) == "0"
