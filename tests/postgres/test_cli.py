"""The commands as processes: what they print, how they end, what they leave in the database."""

import contextlib
import getpass
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import psycopg
import pytest
from runbooks import execute, one, rows, write

from tui import cli
from tui.engine import events as e

TABLE = "CREATE TABLE t (a int PRIMARY KEY)"
STEPS = {"1": TABLE, "2": "INSERT INTO t SELECT generate_series(1, 10)", "3": "ALTER TABLE t ADD b int"}
BACK = {"1": "DROP TABLE t", "2": "DELETE FROM t", "3": "ALTER TABLE t DROP b"}
MORE = """
[[checklist]]
id = "backup"
phase = "before"
title = "Backup"

[[checklist]]
id = "told"
phase = "during"
title = "Told"
command = "echo told"
step = "2"

[[checklist]]
id = "hook"
phase = "after"
title = "Webhook"

[[verification]]
id = "ten"
title = "Ten rows"
sql = "SELECT count(*) FROM t"
after = "2"
expect = { value = 10 }
"""
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lockstep %' AND datname = current_database()"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tui", *arguments]


def apart(
    *arguments: str, stdin: str | None = None, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end; fails on a traceback, and on a password if the arguments hold one."""
    done = subprocess.run(
        command(*arguments),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    return done


class Lockstep(Protocol):
    """Runs a command inside this process, which saves its start; the same answer as `apart`."""

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]": ...


@pytest.fixture
def lockstep(capfd: pytest.CaptureFixture[str]) -> Lockstep:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        capfd.readouterr()
        code = cli.run(list(arguments))
        said = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return run


def told(stdout: str) -> list[e.Event]:
    return [e.from_json(line.encode()) for line in stdout.splitlines()]


@pytest.fixture
def book(tmp_path: Path) -> str:
    return str(write(tmp_path / "small", STEPS, BACK, more=MORE))


@contextlib.contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A command that goes on; killed at the end of the block if it is still there."""
    process = subprocess.Popen(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def line_with(stream: IO[bytes] | None, text: bytes, seconds: float = 20) -> list[bytes]:
    """Reads lines until one holds the text; unbuffered, so that select tells the truth."""
    assert stream is not None
    deadline, seen = time.monotonic() + seconds, b""
    while text not in seen:
        ready, _, _ = select.select([stream], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"{text!r} did not come; {seen!r}"
        chunk = os.read(stream.fileno(), 65536)
        assert chunk, f"{text!r} did not come before the end; {seen!r}"
        seen += chunk
    return seen.splitlines()


def eventually(holds: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


# To the end and back


def test_forward_status_verify_back_and_forward_again(lockstep: Lockstep, book: str, database: str) -> None:
    done = apart("run", book, "-d", database, "--tick-all", "--yes", "--json", "--operator", "dba1")
    assert done.returncode == 0, done.stderr
    events = told(done.stdout)
    assert isinstance(events[0], e.RunOpened)
    assert isinstance(events[-1], e.RunClosed)
    assert events[-1].exit_code == 0
    assert [event.script for event in events if isinstance(event, e.ScriptDone)] == ["1", "2", "3"]
    assert {event.operator for event in events if isinstance(event, e.ItemTicked)} == {"dba1"}
    assert "✓ 3 applied" in done.stderr

    status = apart("status", book, "-d", database, "--json")
    (line,) = status.stdout.splitlines()
    told_status: dict[str, Any] = json.loads(line)
    assert status.returncode == 0
    assert told_status["kind"] == "status"
    assert [(s["id"], s["state"]) for s in told_status["steps"]] == [
        ("1", "applied"),
        ("2", "applied"),
        ("3", "applied"),
    ]
    assert [(v["id"], v["state"]) for v in told_status["verifications"]] == [("ten", "passed")]
    assert told_status["open"] == ["hook"]

    again = lockstep("verify", book, "-d", database, "--json")
    assert again.returncode == 0
    assert [v.ok for v in told(again.stdout) if isinstance(v, e.VerificationFinished)] == [True]

    back = lockstep("rollback", book, "-d", database, "--yes", "--json")
    assert back.returncode == 0, back.stderr
    assert [event.script for event in told(back.stdout) if isinstance(event, e.ScriptDone)] == ["3", "2", "1"]
    assert one(database, "SELECT to_regclass('t') IS NULL") is True
    human = lockstep("status", book, "-d", database)
    assert human.returncode == 0
    assert [line[:3] for line in human.stdout.splitlines()] == ["↺ 1", "↺ 2", "↺ 3"]

    once_more = lockstep("run", book, "-d", database, "--tick-all", "--yes")
    assert once_more.returncode == 0, once_more.stderr
    assert once_more.stdout == ""


def test_to_a_step_and_on(lockstep: Lockstep, book: str, database: str) -> None:
    first = lockstep("run", book, "-d", database, "--tick", "backup", "--yes", "--to", "1")
    assert first.returncode == 0, first.stderr
    assert rows(database, "SELECT step FROM lockstep.act") == [("1",)]
    # The command that step 2 waits for was not run.
    gated = lockstep("run", book, "-d", database, "--yes")
    assert gated.returncode == 4
    assert "Told" in gated.stderr
    rest = lockstep("run", book, "-d", database, "--tick", "told", "--yes")
    assert rest.returncode == 0, rest.stderr
    back = lockstep("rollback", book, "-d", database, "--yes", "--to", "1")
    assert back.returncode == 0, back.stderr
    assert rows(database, "SELECT step FROM lockstep.act WHERE direction = 'back' ORDER BY id") == [("3",), ("2",)]
    nothing = lockstep("rollback", book, "-d", database, "--yes", "--to", "1")
    assert nothing.returncode == 2
    assert "nothing is applied after 1" in nothing.stderr


def test_a_closed_gate_is_4_and_touches_nothing(lockstep: Lockstep, book: str, database: str) -> None:
    done = lockstep("run", book, "-d", database, "--yes", "--json")
    assert done.returncode == 4
    assert "Backup" in done.stderr
    assert told(done.stdout)
    assert one(database, "SELECT to_regclass('t') IS NULL") is True


def test_a_failing_step_is_1_and_the_line_is_named(lockstep: Lockstep, tmp_path: Path, database: str) -> None:
    book = str(write(tmp_path / "small", {"1": TABLE, "2": "SELECT 1;\nSELECT\n nonsense;"}))
    done = lockstep("run", book, "-d", database, "--yes")
    assert done.returncode == 1
    assert 'line 3: column "nonsense" does not exist; nothing of it is in the database' in done.stderr
    status = lockstep("status", book, "-d", database, "--json")
    assert status.returncode == 1
    assert [s["state"] for s in json.loads(status.stdout)["steps"]] == ["applied", "failed"]
    (tmp_path / "small" / "steps" / "2.sql").write_text("SELECT 1")
    assert lockstep("run", book, "-d", database, "--yes").returncode == 0


def test_a_red_verification_is_1(lockstep: Lockstep, book: str, database: str) -> None:
    assert lockstep("run", book, "-d", database, "--yes", "--tick-all").returncode == 0
    execute(database, "DELETE FROM t WHERE a = 1")
    done = lockstep("verify", book, "-d", database)
    assert done.returncode == 1
    assert "✗ Ten rows: expected 10, found 9" in done.stderr


# Refused


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "{book}", "-d", "{dsn}", "--yes", "--to", "99"], "there is no step 99; there are 1, 2, 3"),
        (["run", "{book}", "-d", "{dsn}", "--yes", "--tick", "nope"], "there is no checklist item nope"),
        (["rollback", "{book}", "-d", "{dsn}", "--yes", "--to", "99"], "there is no step 99"),
        (["rollback", "{book}", "-d", "{dsn}", "--yes"], "nothing is applied"),
        (["run", "{book}/nowhere", "-d", "{dsn}", "--yes"], "no such directory"),
        (["check", "{book}/nowhere"], "no such directory"),
        (["run"], "Missing argument"),
        (["run", "{book}", "--no-such-option"], "No such option"),
        (["nonsense"], "No such command"),
        (["demo", "--scale", "-1"], "scale"),
    ],
)
def test_usage_is_2(
    book: str, database: str, capfd: pytest.CaptureFixture[str], arguments: Sequence[str], says: str
) -> None:
    assert cli.run([a.format(book=book, dsn=database) for a in arguments]) == 2
    said = capfd.readouterr()
    assert says in said.err + said.out
    assert one(database, "SELECT to_regclass('t') IS NULL") is True


@pytest.mark.parametrize("name", ["run", "verify", "rollback", "status", "check"])
def test_no_connection_is_3_without_the_password(
    book: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    for dsn in (
        f"host={tmp_path} dbname=app password=hunter2",
        "password=hunter2 nonsense=1",
        "postgresql://u:hunter2@[x/app",
    ):
        yes = ["--yes"] if name in ("run", "rollback") else []
        assert cli.run([name, book, "-d", dsn, *yes]) == 3
        said = capfd.readouterr()
        assert "lockstep: " in said.err
        assert "hunter2" not in said.err + said.out


def test_the_wrong_target_is_3(tmp_path: Path, database: str, capfd: pytest.CaptureFixture[str]) -> None:
    book = str(write(tmp_path / "small", {"1": TABLE}, head='requires = { server = ">=99", extensions = ["nope"] }'))
    assert cli.run(["run", book, "-d", database, "--yes"]) == 3
    said = capfd.readouterr().err
    assert "needs PostgreSQL 99" in said
    assert "extension nope" in said
    assert cli.run(["check", book, "-d", database]) == 3


def test_check(book: str, tmp_path: Path, database: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", book]) == 0
    (warning,) = capfd.readouterr().out.splitlines()
    assert 'step "3" is untested: no verification' in warning
    assert cli.run(["check", book, "-d", database, "--json"]) == 0
    *_, last = map(json.loads, capfd.readouterr().out.splitlines())
    assert (last["kind"], last["ok"]) == ("check", True)
    assert [(s["id"], s["state"], s["untested"]) for s in last["steps"]] == [
        ("1", "pending", []),
        ("2", "pending", []),
        ("3", "pending", ["no verification"]),
    ]
    assert one(database, "SELECT to_regnamespace('lockstep') IS NULL") is True
    toml = tmp_path / "small" / "runbook.toml"
    toml.write_text(toml.read_text().replace("title = ", "titel = ", 1))
    assert cli.run(["check", book, "--json"]) == 2
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert (lines[-1]["kind"], lines[-1]["ok"]) == ("check", False)
    assert any(line["kind"] == "finding" and "titel" in line["what"] and line["line"] for line in lines)
    assert cli.run(["run", book, "-d", database, "--yes"]) == 2


def test_a_script_that_changed_after_it_was_applied_is_named(
    book: str, tmp_path: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["run", book, "-d", database, "--yes", "--tick-all"]) == 0
    capfd.readouterr()
    with (tmp_path / "small" / "steps" / "2.sql").open("a") as file:
        file.write("\n-- harmless?")
    assert cli.run(["check", book, "-d", database]) == 3
    assert "steps/2.sql changed after 2 was applied" in capfd.readouterr().out


def test_a_second_operator_is_4(lockstep: Lockstep, tmp_path: Path, database: str) -> None:
    book = str(write(tmp_path / "small", {"1": f"{TABLE}; SELECT pg_sleep(30)"}))
    with running("run", book, "-d", database, "--yes", "--json") as first:
        line_with(first.stdout, b'"index":2')
        second = lockstep("run", book, "-d", database, "--yes")
        assert second.returncode == 4
        assert "has small in hand: session" in second.stderr
        # Who only looks is not kept out, and changes nothing.
        status = lockstep("status", book, "-d", database, "--json")
        assert status.returncode == 0
        assert [s["state"] for s in json.loads(status.stdout)["steps"]] == ["pending"]


# Asking


def test_without_a_yes_nothing_happens(book: str, database: str) -> None:
    for stdin in (None, "n\n"):
        done = apart("run", book, "-d", database, "--tick-all", stdin=stdin)
        assert done.returncode == 2, (stdin, done.stderr)
        assert "nothing was done" in done.stderr
        assert "run 1, 2, 3 in " in done.stderr
    assert one(database, "SELECT to_regclass('t') IS NULL") is True
    assert apart("run", book, "-d", database, "--tick-all", stdin="y\n").returncode == 0
    assert apart("rollback", book, "-d", database).returncode == 2
    assert one(database, "SELECT count(*) FROM t") == 10


def test_production_is_named_or_nothing_happens(tmp_path: Path, database: str) -> None:
    book = str(write(tmp_path / "small", {"1": TABLE}, head="production = true"))
    name = str(one(database, "SELECT current_database()"))
    for stdin in ("y\n", ""):
        done = apart("run", book, "-d", database, stdin=stdin)
        assert done.returncode == 2, (stdin, done.stderr)
    assert "PRODUCTION" in done.stderr
    assert one(database, "SELECT to_regclass('t') IS NULL") is True
    assert apart("run", book, "-d", database, stdin=f"{name}\n").returncode == 0


def test_interrupted_while_asking(tmp_path: Path, database: str) -> None:
    book = str(write(tmp_path / "small", {"1": TABLE}))
    process = subprocess.Popen(
        command("run", book, "-d", database), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        line_with(process.stderr, b"[y/N]")
        process.send_signal(signal.SIGINT)
        # Standard input stays open: nobody has to press Enter after Ctrl-C.
        assert process.wait(10) == 130
    finally:
        process.kill()
        process.communicate()
    assert one(database, "SELECT to_regclass('t') IS NULL") is True


# Signals and worse


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_in_a_step(tmp_path: Path, database: str, number: signal.Signals, code: int) -> None:
    book = str(write(tmp_path / "small", {"1": f"{TABLE}; SELECT pg_sleep(30)", "2": "SELECT 1"}))
    with running("run", book, "-d", database, "--yes", "--json") as process:
        begun = line_with(process.stdout, b'"index":2')
        process.send_signal(number)
        rest, err = process.communicate(timeout=15)
        assert process.returncode == code
        assert b"Traceback" not in err
        events = [e.from_json(line) for line in [*begun, *rest.splitlines()] if line]
        failed = [event for event in events if isinstance(event, e.ScriptFailed)]
        assert [(f.script, f.reason, f.outcome) for f in failed] == [("1", "cancelled", "rolled_back")]
        closed = events[-1]
        assert isinstance(closed, e.RunClosed)
        assert (closed.reason, closed.exit_code) == ("signal", code)
    assert one(database, "SELECT to_regclass('t') IS NULL") is True
    assert one(database, "SELECT count(*) FROM lockstep.act") == 0
    assert eventually(lambda: one(database, OURS) == 0, 2)


def test_a_signal_in_a_verification(tmp_path: Path, database: str) -> None:
    more = '[[verification]]\nid = "v"\ntitle = "Slow"\nsql = "SELECT pg_sleep(30)"\nafter = "1"\nexpect = { rows = 1 }'
    book = str(write(tmp_path / "small", {"1": TABLE, "2": "SELECT 1"}, more=more))
    with running("run", book, "-d", database, "--yes", "--json") as process:
        line_with(process.stdout, b"verification_started")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=15)
        assert process.returncode == 143, err
        assert b"Traceback" not in err
    assert eventually(lambda: one(database, OURS) == 0, 2)
    assert rows(database, "SELECT step FROM lockstep.act") == [("1",)]


def test_a_signal_while_it_commits_waits_for_the_answer(tmp_path: Path, database: str) -> None:
    execute(
        database,
        "CREATE TABLE n (a int)",
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON n DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    book = str(write(tmp_path / "small", {"1": "INSERT INTO n VALUES (1)", "2": TABLE}))
    with running("run", book, "-d", database, "--yes", "--json") as process:
        line_with(process.stdout, b"commit_intended")
        assert eventually(lambda: one(database, f"{OURS} AND query = 'COMMIT' AND state = 'active'") == 1)
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=15)
        assert process.returncode == 130, err
    assert one(database, "SELECT count(*) FROM n") == 1
    assert rows(database, "SELECT step FROM lockstep.act") == [("1",)]
    assert b"script_done" in rest
    assert one(database, "SELECT to_regclass('t') IS NULL") is True


@pytest.mark.parametrize("wait", ["sleep", "lock"])
def test_killed_in_the_middle_it_tells_the_truth_and_goes_on(
    lockstep: Lockstep, tmp_path: Path, database: str, wait: str
) -> None:
    execute(database, "CREATE TABLE pace (seconds float)", "INSERT INTO pace VALUES (30)", "CREATE TABLE held (a int)")
    slow = "SELECT pg_sleep(seconds) FROM pace" if wait == "sleep" else "SELECT pg_advisory_xact_lock(77)"
    safety = '[safety]\nlock_timeout = "30s"'
    book = str(write(tmp_path / "small", {"1": TABLE, "2": f"INSERT INTO t VALUES (1); {slow};"}, BACK, safety=safety))
    with psycopg.connect(database, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(77)")
        with running("run", book, "-d", database, "--yes", "--json") as process:
            line_with(process.stdout, b'"script":"2","index":2')
            process.kill()
            process.wait(5)
        status = lockstep("status", book, "-d", database, "--json")
        assert status.returncode == 0
        assert [s["state"] for s in json.loads(status.stdout)["steps"]] == ["applied", "pending"]
        execute(database, "UPDATE pace SET seconds = 0")
    # The server notices that the runner is gone and lets go of the operator's lock and of its own.
    assert eventually(lambda: one(database, OURS) == 0)
    done = lockstep("run", book, "-d", database, "--yes")
    assert done.returncode == 0, done.stderr
    assert "applied: 1" in done.stderr
    assert one(database, "SELECT count(*) FROM t") == 1
    assert one(database, "SELECT string_agg(step, ',' ORDER BY id) FROM lockstep.act") == "1,2"


def test_nobody_reads_what_it_says(lockstep: Lockstep, tmp_path: Path, database: str) -> None:
    book = str(write(tmp_path / "small", {"1": TABLE, "2": "SELECT pg_sleep(0.3)", "3": "SELECT 1"}))
    with running("run", book, "-d", database, "--yes", "--json") as process:
        assert process.stdout is not None
        line_with(process.stdout, b"run_opened")
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        process.wait(15)
        assert b"Traceback" not in err, err.decode()
        assert b"Exception" not in err, err.decode()
        assert process.returncode == 128 + signal.SIGPIPE
        process.stdout = None
    assert eventually(lambda: one(database, OURS) == 0, 3)
    status = lockstep("status", book, "-d", database, "--json")
    applied = {s["id"] for s in json.loads(status.stdout)["steps"] if s["state"] == "applied"}
    # Nothing is written before something runs: then there is no ledger either.
    ledger = one(database, "SELECT to_regclass('lockstep.act') IS NOT NULL")
    assert applied == ({str(row[0]) for row in rows(database, "SELECT step FROM lockstep.act")} if ledger else set())


def test_a_spoiled_journal_is_told_without_a_traceback(lockstep: Lockstep, book: str, database: str) -> None:
    assert lockstep("run", book, "-d", database, "--yes", "--tick-all").returncode == 0
    (journal,) = Path(os.environ["LOCKSTEP_STATE"]).glob("runs/*.jsonl")
    first, rest = journal.read_bytes().split(b"\n", 1)
    journal.write_bytes(first + b"\nnonsense\n" + rest)
    for name in ("status", "run"):
        done = lockstep(name, book, "-d", database, *(["--yes"] if name == "run" else []))
        assert done.returncode == 1
        assert f"{journal.name}:2: this line is no event" in done.stderr


def test_a_state_directory_that_cannot_be_written(book: str, database: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = apart("run", book, "-d", database, "--yes", env={"LOCKSTEP_STATE": str(tmp_path / "file")})
    assert done.returncode == 1
    assert "cannot write the journal" in done.stderr
    assert one(database, "SELECT to_regclass('t') IS NULL") is True


def test_a_user_without_a_name(
    book: str, database: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert cli.run(["run", book, "-d", database, "--yes", "--tick-all"]) == 0, capfd.readouterr().err


def test_help_and_version(capfd: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["run", "-h"], ["--version"]):
        assert cli.run(arguments) == 0
    assert "lockstep" in capfd.readouterr().out
