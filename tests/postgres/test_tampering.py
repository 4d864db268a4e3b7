"""A file that is no longer what was applied stops everything before it begins; going on takes a reason."""

from pathlib import Path

import pytest
from runbooks import execute, one, opened, rows, write

from tui import cli
from tui.engine import events as e
from tui.engine.changes import words
from tui.engine.work import GateClosed

STEPS = {"1": "CREATE TABLE first (a int)", "2": "CREATE TABLE second (a int)"}
BACK = {"1": "DROP TABLE first", "2": "DROP TABLE second"}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write(tmp_path / "small", STEPS, BACK)


async def first_applied(book: Path, database: str) -> None:
    async with opened(book, database) as live:
        assert await live.to_end("1") == 0


@pytest.mark.parametrize(
    ("script", "kind", "told"),
    [
        ("-- made for the night\nCREATE TABLE  first\n(a int);", "comments", "comments and white space alone"),
        ("CREATE TABLE first (a bigint)", "more", "more than comments and white space"),
    ],
)
async def test_a_script_that_changed(book: Path, database: str, script: str, kind: str, told: str) -> None:
    await first_applied(book, database)
    before = one(database, "SELECT sha256 FROM lockstep.act")
    (book / "steps" / "1.sql").write_text(script)
    async with opened(book, database, operator="dba2") as again:
        (change,) = again.state.unaccepted_changes
        assert (change.file, change.step, change.kind, change.applied_sha256) == ("steps/1.sql", "1", kind, before)
        line = words(change)
        assert told in line
        assert change.sha256[:12] in line
        assert change.applied_sha256[:12] in line
        with pytest.raises(GateClosed, match=r"steps/1\.sql changed after 1 was applied"):
            await again.run.go_on()
        assert one(database, "SELECT to_regclass('second') IS NULL") is True
        with pytest.raises(ValueError, match="reason"):
            await again.run.override((change.id,), "  ")
        await again.run.override((change.id,), "a comment of the review")
        overridden = again.last(e.GateOverridden)
        assert (overridden.reason, overridden.operator) == ("a comment of the review", "dba2")
        assert await again.to_end() == 0
    # What was accepted once is not asked again; another change is.
    async with opened(book, database) as later:
        assert later.state.unaccepted_changes == ()
        assert later.state.changes == (change,)
    (book / "steps" / "1.sql").write_text("CREATE TABLE first (a text)")
    async with opened(book, database) as last:
        assert [new.sha256 != change.sha256 for new in last.state.unaccepted_changes] == [True]


async def test_a_runbook_that_changed(book: Path, database: str) -> None:
    await first_applied(book, database)
    toml = book / "runbook.toml"
    toml.write_text(toml.read_text().replace('window = "10min"', 'window = "20min"'))
    async with opened(book, database) as again:
        (change,) = again.state.unaccepted_changes
        assert (change.file, change.kind) == ("runbook.toml", "more")
    toml.write_text(toml.read_text().replace('window = "20min"', 'window = "10min" # as it was'))
    async with opened(book, database) as again:
        assert [change.kind for change in again.state.changes] == ["comments"]


async def test_a_step_that_was_taken_back_may_change(book: Path, database: str) -> None:
    async with opened(book, database) as live:
        assert await live.to_end("1") == 0
        await live.run.roll_back(live.run.plan_rollback(None))
    (book / "steps" / "1.sql").write_text("CREATE TABLE first (a bigint)")
    async with opened(book, database) as again:
        assert again.state.changes == ()
        assert await again.to_end() == 0


def test_without_a_screen(book: Path, database: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["run", str(book), "-d", database, "--yes", "--to", "1"]) == 0
    (book / "steps" / "1.sql").write_text("CREATE TABLE first (a bigint)")
    assert cli.run(["status", str(book), "-d", database]) == 0
    assert "! steps/1.sql changed after 1 was applied" in capfd.readouterr().out
    assert cli.run(["run", str(book), "-d", database, "--yes"]) == 4
    assert "steps/1.sql changed after 1 was applied" in capfd.readouterr().err
    assert rows(database, "SELECT step FROM lockstep.act") == [("1",)]
    assert cli.run(["run", str(book), "-d", database, "--yes", "--reason", "reviewed"]) == 0
    assert one(
        database, "SELECT event ->> 'reason' FROM lockstep.event WHERE event ->> 'kind' = 'gate_overridden'"
    ) == ("reviewed")


def test_what_may_not_be_written_is_told_at_the_opening(
    book: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    name = one(database, "SELECT current_database()")
    execute(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert cli.run(["run", str(book), "-d", database, "--yes"]) == 3
    assert "default_transaction_read_only is on" in capfd.readouterr().err
    off = f"{database}&options=-c%20default_transaction_read_only%3Doff"
    assert cli.run(["run", str(book), "-d", off, "--yes"]) == 0


def test_a_ledger_that_is_not_ours_to_write_is_told_at_the_opening(
    book: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["run", str(book), "-d", database, "--yes", "--to", "1"]) == 0
    execute(database, "DROP ROLE IF EXISTS stranger", "CREATE ROLE stranger LOGIN")
    theirs = database.replace("postgres@", "stranger@")
    try:
        assert cli.run(["run", str(book), "-d", theirs, "--yes"]) == 3
        granted = "GRANT SELECT, INSERT ON lockstep.act, lockstep.event, lockstep.fingerprint TO stranger"
        assert granted in capfd.readouterr().err
    finally:
        execute(database, "DROP ROLE stranger")
