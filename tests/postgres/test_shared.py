"""A colleague on another machine: what was ticked, opened, taken and verified here is known there, and back again."""

from pathlib import Path

import pytest
from runbooks import Live, execute, one, opened, read, write

from tui.engine import events as e
from tui.engine.journal import runs_directory
from tui.engine.state import VerificationStatus
from tui.engine.status import look
from tui.postgres.session import Dsn

MORE = """
[[checklist]]
id = "backup"
phase = "before"
title = "Backup taken"

[[checklist]]
id = "told"
phase = "during"
title = "Support was told"
step = "2"

[[checklist]]
id = "mail"
phase = "after"
title = "Mail sent"

[[verification]]
id = "same"
title = "As many rows as before"
sql = "SELECT count(*) FROM t"
after = "2"
expect = { same_as_before = true }
"""
STEPS = {"1": "CREATE TABLE first (a int)", "2": "CREATE TABLE second (a int)"}
BACK = {"1": "DROP TABLE first", "2": "DROP TABLE second"}


class Machines:
    """One operator sits at ``here``, the other at ``there``: each has journals of its own."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root
        self._monkeypatch = monkeypatch

    def at(self, name: str) -> None:
        self._monkeypatch.setenv("LOCKSTEP_STATE", str(self._root / name))


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    return Machines(tmp_path, monkeypatch)


@pytest.fixture
def book(tmp_path: Path, database: str) -> Path:
    execute(database, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)")
    return write(tmp_path / "small", STEPS, BACK, more=MORE)


async def first_half(live: Live) -> None:
    await live.run.tick("backup", True, "on tape 7")
    await live.run.go_on()
    await live.run.go_on()
    assert live.state.applied == ("1",)


async def test_the_other_machine_goes_on_where_it_stood(book: Path, database: str, machines: Machines) -> None:
    machines.at("here")
    async with opened(book, database, operator="dba1") as live:
        await first_half(live)
        window, run = live.state.window_opened_at, live.state.opened
    machines.at("there")
    async with opened(book, database, operator="dba2") as other:
        backup = other.state.item("backup")
        assert (backup.done, backup.operator, backup.note) == (True, "dba1", "on tape 7")
        assert other.state.window_opened_at == window
        assert run is not None
        assert other.state.opened is not None
        assert other.state.opened.run == run.run
        assert other.state.next_act().gate_ids == ("told",)
        await other.run.tick("told", True)
        # Against the rows as they were before step one, which this machine has never seen.
        await other.run.go_on()
        assert other.state.verification("same").status is VerificationStatus.PASSED
    machines.at("here")
    async with opened(book, database, operator="dba1") as again:
        assert again.state.applied == ("1", "2")
        assert again.state.item("told").operator == "dba2"
        assert again.state.verification("same").status is VerificationStatus.PASSED
        await again.run.roll_back(again.run.plan_rollback(None))
    machines.at("there")
    async with opened(book, database, operator="dba2") as new:
        # That run is over: the next one is ticked anew.
        assert not new.state.item("backup").done
        assert new.state.window_opened_at is None


async def test_status_tells_it_as_well(book: Path, database: str, machines: Machines) -> None:
    machines.at("here")
    async with opened(book, database, operator="dba1") as live:
        await first_half(live)
    machines.at("there")
    state = await look(read(book), Dsn(database))
    assert state.item("backup").done
    assert state.window_opened_at is not None


async def test_who_only_looks_leaves_nothing(book: Path, database: str, machines: Machines) -> None:
    machines.at("here")
    async with opened(book, database):
        pass
    assert one(database, "SELECT to_regnamespace('lockstep') IS NULL") is True
    async with opened(book, database) as live:
        await first_half(live)
    told = one(database, "SELECT count(*) FROM lockstep.event")
    machines.at("there")
    async with opened(book, database):
        pass
    assert one(database, "SELECT count(*) FROM lockstep.event") == told


async def test_a_copy_of_the_database_is_another_run(book: Path, database: str, machines: Machines) -> None:
    machines.at("here")
    async with opened(book, database) as live:
        await first_half(live)
    name = str(one(database, "SELECT current_database()"))
    server = Dsn(database, dbname="postgres").reveal()
    execute(server, f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    try:
        async with opened(book, Dsn(database, dbname=f"{name}_copy").reveal()) as copy:
            assert copy.state.applied == ("1",)
            assert not copy.state.item("backup").done
    finally:
        execute(server, f"DROP DATABASE {name}_copy")


async def test_what_was_written_by_hand_is_passed_over(book: Path, database: str, machines: Machines) -> None:
    machines.at("here")
    async with opened(book, database) as live:
        await first_half(live)
    hostile = "INSERT INTO lockstep.event (run, runbook, at, event) VALUES ('../../etc', 'small', now(), '{}')"
    execute(database, hostile, hostile.replace("{}", '{"kind": "window_opened"}'))
    machines.at("there")
    async with opened(book, database) as other:
        assert other.state.item("backup").done
        assert [path.parent for path in runs_directory().iterdir()] == [runs_directory()] * 2
        assert isinstance(other.events[0], e.RunOpened)


async def test_a_baseline_is_compared_as_it_was_not_as_it_is_kept(
    tmp_path: Path, database: str, machines: Machines
) -> None:
    """What is kept of it has neither the password nor the escape sequence; what is in the table has both."""
    execute(
        database, "CREATE TABLE t (a text)", "INSERT INTO t SELECT 'PASSWORD ' || quote_literal('hunter2') || chr(27)"
    )
    more = MORE.replace("count(*)", "a")
    book = write(tmp_path / "small", STEPS, BACK, more=more)
    machines.at("here")
    async with opened(book, database) as live:
        await first_half(live)
    machines.at("there")
    async with opened(book, database) as other:
        await other.run.tick("told", True)
        await other.run.go_on()
        assert other.state.verification("same").status is VerificationStatus.PASSED
        execute(database, "UPDATE t SET a = replace(a, 'hunter2', 'hunter3')")
        await other.run.verify("same")
        assert other.state.verification("same").status is VerificationStatus.FAILED
    assert not any("hunter" in path.read_text() for path in runs_directory().glob("*.jsonl"))
