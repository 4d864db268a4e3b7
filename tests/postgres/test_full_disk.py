"""Runs on a real server whose journal lies on a real disk that gets full, and what a journal must never hold."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from runbooks import execute, one, opened, rows, session, until_true, write
from small_disk import SmallDisk, small_disk

from tui.engine import events as e
from tui.engine import reserve
from tui.engine.journal import JournalFailed, read, runs_directory
from tui.engine.state import fold

STEPS = {"1": "CREATE TABLE t (a int)", "2": "INSERT INTO t VALUES (1)", "3": "ALTER TABLE t ADD b int"}
BACK = {"1": "DROP TABLE t", "2": "TRUNCATE t", "3": "ALTER TABLE t DROP b"}
REFUSED = r"cannot write the journal .*\.jsonl: No space left on device; free some space there; nothing was begun"
PATIENT = '[safety]\nlock_timeout = "60s"\nstatement_timeout = "60s"'
SECRET = "hunter2"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """The disk of the state directory."""
    with small_disk(tmp_path, 3 * reserve.SIZE) as one_disk:
        monkeypatch.setenv("LOCKSTEP_STATE", str(one_disk.path))
        yield one_disk


def lockstep(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tui", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


async def test_full_before_a_step_nothing_runs_until_there_is_room(
    tmp_path: Path, database_each: str, disk: SmallDisk
) -> None:
    async with opened(write(tmp_path / "small", STEPS, BACK), database_each) as live:
        await live.run.go_on()
        disk.fill()
        told = len(live.events)
        with pytest.raises(JournalFailed, match=REFUSED):
            await live.run.go_on()
        assert live.events[told:] == []
        assert one(database_each, "SELECT to_regclass('t') IS NULL AND to_regclass('lockstep.act') IS NULL") is True
        disk.free()
        await live.run.go_on()
        assert live.state.applied == ("1",)
        disk.fill()
        with pytest.raises(JournalFailed, match=REFUSED):
            await live.run.roll_back(live.run.plan_rollback(None))
        assert one(database_each, "SELECT to_regclass('t') IS NOT NULL") is True
        disk.free()
        assert await live.to_end() == 0
        path = live.run.journal_path
    assert path is not None
    assert fold(read(path)) == live.state
    assert isinstance(live.events[-1], e.RunClosed)
    assert list(runs_directory().iterdir()) == [path]


async def test_full_during_a_statement_the_step_ends_and_the_next_is_refused(
    tmp_path: Path, database_each: str, disk: SmallDisk
) -> None:
    execute(database_each, "CREATE TABLE t (a int)")
    steps = {"1": "SELECT 1; ALTER TABLE t ADD b int; SELECT 2", "2": "ALTER TABLE t ADD c int"}
    book = write(tmp_path / "small", steps, {"1": "SELECT 1", "2": "SELECT 1"}, safety=PATIENT)
    async with opened(book, database_each) as live, session(database_each, autocommit=False) as holder:
        await live.run.go_on()
        await holder.execute("SELECT * FROM t")
        step = asyncio.create_task(live.run.go_on())
        await until_true(database_each, "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted")
        disk.fill()
        await holder.rollback()
        await step
        path = live.run.journal_path
        assert path is not None
        assert isinstance(live.last(e.ScriptDone), e.ScriptDone)
        assert live.last(e.ScriptDone) in read(path)
        assert one(database_each, "SELECT string_agg(step, ',') FROM lockstep.act") == "1"
        with pytest.raises(JournalFailed, match=REFUSED):
            await live.run.go_on()
        assert live.state.applied == ("1",)
        disk.free()
        await live.run.go_on()
        applied: tuple[str, ...] = live.state.applied
        assert applied == ("1", "2")
    assert read(path) == live.events


def test_the_command_says_it_in_one_line_and_goes_on_later(tmp_path: Path, database: str, disk: SmallDisk) -> None:
    book = str(write(tmp_path / "small", STEPS, BACK))
    assert lockstep("run", book, "-d", database, "--yes", "--to", "1").returncode == 0
    disk.fill()
    for command in (("run", book, "-d", database, "--yes"), ("rollback", book, "-d", database, "--yes")):
        full = lockstep(*command)
        assert full.returncode == 1
        (line,) = (line for line in full.stderr.splitlines() if not line.startswith("runbook.toml:"))
        assert line.startswith("lockstep: cannot write the journal ")
        assert line.endswith("No space left on device; free some space there")
    assert rows(database, "SELECT step FROM lockstep.act") == [("1",)]
    # What only looks needs no room.
    assert lockstep("status", book, "-d", database).returncode == 0
    disk.free()
    assert lockstep("run", book, "-d", database, "--yes").returncode == 0
    assert one(database, "SELECT count(*) FROM lockstep.act") == len(STEPS)


async def test_no_password_is_ever_in_the_journal(tmp_path: Path, database_each: str) -> None:
    """Not the connection's, not one that a script sets, not where server messages quote the script."""
    role = f"role_{one(database_each, 'SELECT current_database()')}"
    secret = f"PASSWORD '{SECRET}'"
    create = f"CREATE ROLE {role} LOGIN {secret}"
    noticed = f"DO $$ BEGIN RAISE NOTICE 'now: %', $q$ALTER ROLE {role} {secret}$q$; END $$"
    failing = [
        f"ALTER ROLE {role} {secret} NOSUCHOPTION",
        f"DO $$ BEGIN ALTER ROLE no_such_role {secret}; END $$",
        f"DO $$ BEGIN EXECUTE $q$ALTER ROLE no_such_role {secret}$q$; END $$",
        f"DO $$ BEGIN RAISE 'm %', $q${secret}$q$ USING DETAIL = $q${secret}$q$, HINT = $q${secret}$q$; END $$",
    ]
    steps = {"1": create, "2": noticed}
    more = f"""
[[checklist]]
id = "told"
phase = "before"
title = "Told"
command = "echo ALTER ROLE {role} PASSWORD \\"'{SECRET}'\\""

[[verification]]
id = "quoted"
title = "What somebody wrote there"
sql = "SELECT $q${secret}$q$"
after = "2"
expect = {{ rows = 1 }}
"""
    try:
        async with opened(write(tmp_path / "done", steps, more=more), f"{database_each}&password={SECRET}") as live:
            await live.run.probe("told")
            assert "ALTER ROLE" in live.last(e.ItemProbed).output
            assert await live.to_end() == 0
            assert live.last(e.VerificationFinished).ok
            assert "now: ALTER ROLE" in live.last(e.NoticeRaised).message
        for number, statement in enumerate(failing):
            book = write(tmp_path / f"failed{number}", {"1": statement})
            async with opened(book, database_each) as live:
                assert await live.to_end() == 1
                assert live.last(e.ScriptFailed).error is not None
    finally:
        execute(database_each, f"DROP ROLE IF EXISTS {role}")
    journals = list(runs_directory().glob("*.jsonl"))
    assert len(journals) == 1 + len(failing)
    for path in journals:
        held = path.read_bytes()
        assert b"PASSWORD '***'" in held
        assert SECRET.encode() not in held, held
