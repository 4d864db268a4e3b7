"""What a statement outside a transaction leaves behind: told, shown as SQL, taken away before anything else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from runbooks import Live, execute, one, opened, read, rows, session, until_true, write

from tui import cli
from tui.engine import events as e
from tui.engine.narrate import narrate
from tui.engine.state import StepStatus
from tui.engine.status import as_object, look
from tui.postgres.session import Dsn

TABLE = "CREATE TABLE t (a int, b text)"
TWICE = "INSERT INTO t SELECT n / 2, 'x' FROM generate_series(1, 100) AS n"
UNIQUE = "CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a);\nCOMMENT ON INDEX t_a IS 'made';\n"
DROP = "DROP INDEX CONCURRENTLY IF EXISTS t_a;\n"
ALONE = {"1": "transaction = false"}
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass"
REPAIR = ("DROP INDEX CONCURRENTLY public.t_a",)


def book(root: Path, sql: str = UNIQUE, back: str = DROP) -> Path:
    return write(root / "small", {"1": sql}, {"1": back}, keys=ALONE)


async def failed_over_duplicates(live: Live, dsn: str) -> None:
    """The index cannot be unique, and stays behind as an invalid one."""
    execute(dsn, TABLE, TWICE)
    assert await live.to_end() == 1
    assert live.state.step("1").status is StepStatus.FAILED
    assert live.state.step("1").repair == REPAIR
    assert live.state.next_act().kind == "repair"
    assert one(dsn, VALID) is False


async def test_an_invalid_index_is_repaired_before_the_retry(tmp_path: Path, database_each: str) -> None:
    async with opened(book(tmp_path), database_each) as live:
        await failed_over_duplicates(live, database_each)
        told = [narrate(event, live.state) or "" for event in live.all(e.RemainsFound)]
        assert "repair: DROP INDEX CONCURRENTLY public.t_a" in told[-1]
        execute(database_each, "DELETE FROM t")
        await live.run.go_on()
        assert [event.sql for event in live.all(e.RepairStarted)] == list(REPAIR)
        assert live.last(e.RepairFinished).error == ""
        assert live.state.applied == ("1",)
        assert one(database_each, VALID) is True


async def test_another_console_knows_of_it_without_the_journal(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = book(tmp_path)
    async with opened(path, database) as live:
        await failed_over_duplicates(live, database)
    monkeypatch.setenv("LOCKSTEP_STATE", str(tmp_path / "another machine"))
    told = as_object(await look(read(path), Dsn(database)))
    steps: Any = told["steps"]
    assert (steps[0]["state"], steps[0]["completed"], steps[0]["repair"]) == ("failed", 0, list(REPAIR))
    async with opened(path, database, operator="dba2") as again:
        assert again.state.step("1").repair == REPAIR
        execute(database, "DELETE FROM t")
        assert await again.to_end() == 0


async def test_the_way_back_of_what_only_left_something_is_the_repair(tmp_path: Path, database: str) -> None:
    # Its own script would fail: nothing that it drops is there any more.
    async with opened(book(tmp_path, back="DROP INDEX t_a"), database) as live:
        await failed_over_duplicates(live, database)
        (script,) = live.run.plan_rollback(None).scripts
        assert (script.repair, script.sql.statements) == (REPAIR, ())
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.state.rolled_back
        assert one(database, "SELECT to_regclass('t_a') IS NULL") is True
    assert rows(database, "SELECT direction FROM lockstep.act ORDER BY id DESC LIMIT 1") == [("back",)]


async def test_if_not_exists_does_not_trust_an_invalid_index(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, TWICE)
    # Somebody else's try, long ago.
    async with session(database) as somebody:
        with pytest.raises(Exception, match="could not create unique index"):
            await somebody.execute("CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a)")
    execute(database, "DELETE FROM t")
    sql = UNIQUE.replace("CONCURRENTLY t_a", "CONCURRENTLY IF NOT EXISTS t_a")
    async with opened(book(tmp_path, sql), database) as live:
        assert await live.to_end() == 1
        assert live.all(e.StatementStarted) == []
        assert live.state.step("1").repair == REPAIR
        assert one(database, VALID) is False
        assert await live.to_end() == 0
        assert one(database, VALID) is True


async def test_cancelled_in_concurrently(tmp_path: Path, database: str) -> None:
    execute(database, TABLE)
    async with opened(book(tmp_path), database) as live, session(database, autocommit=False) as old:
        # CONCURRENTLY waits for who still sees the table as it was.
        await old.execute("INSERT INTO t VALUES (1)")
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted)
        await until_true(database, "SELECT count(*) > 0 FROM pg_stat_progress_create_index")
        await live.run.cancel()
        assert await going == 1
        assert live.last(e.ScriptFailed).reason == "cancelled"
        assert live.state.step("1").repair == REPAIR
        await old.rollback()
        assert await live.to_end() == 0
        assert one(database, VALID) is True


async def test_a_partition_half_detached_is_finished_and_not_detached_again(tmp_path: Path, database: str) -> None:
    execute(
        database,
        "CREATE TABLE whole (a int) PARTITION BY RANGE (a)",
        "CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (10)",
    )
    sql = "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY;\nCOMMENT ON TABLE part IS 'alone';\n"
    back = "ALTER TABLE whole ATTACH PARTITION part FOR VALUES FROM (0) TO (10)"
    async with opened(book(tmp_path, sql, back), database) as live, session(database, autocommit=False) as old:
        await old.execute("SELECT * FROM whole")
        going = asyncio.create_task(live.to_end())
        await until_true(database, "SELECT count(*) > 0 FROM pg_inherits WHERE inhdetachpending")
        await live.run.cancel()
        assert await going == 1
        (repair,) = live.state.step("1").repair
        assert repair.endswith("FINALIZE")
        await old.rollback()
        assert await live.to_end() == 0
        assert one(database, "SELECT obj_description('part'::regclass)") == "alone"
        assert one(database, "SELECT count(*) FROM pg_inherits") == 0


async def test_a_killed_session_is_asked_of_the_catalog(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TYPE mood AS ENUM ('sad')", TABLE)
    sql = "ALTER TYPE mood ADD VALUE 'glad';\nVACUUM t;\nDO $$ BEGIN PERFORM pg_sleep(30); END $$;\n"
    async with opened(book(tmp_path, sql), database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda started: started.index == 3)
        execute(database, f"SELECT pg_terminate_backend({live.last(e.ScriptStarted).backend_pid})")
        assert await going == 5
        step = live.state.step("1")
        assert (step.status, step.completed) == (StepStatus.IN_DOUBT, 2)
        assert live.state.next_act().kind == "resolve"
        await live.run.settle("1", applied=True, reason="it only sleeps")
        assert live.state.step("1").status is StepStatus.FAILED
        assert await live.to_end() == 0
        assert live.all(e.StatementStarted)[-1].index == 3
    written = rows(database, "SELECT statement, begun, note FROM lockstep.act ORDER BY id DESC LIMIT 3")
    assert written == [(None, False, ""), (3, False, ""), (3, False, "it only sleeps")]


async def test_the_session_is_set_as_it_was_for_the_rest(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE SCHEMA app", "CREATE TABLE app.t (a int, b text)", "CREATE TABLE wrong (a int)")
    sql = (
        "SET search_path = app;\nCREATE INDEX CONCURRENTLY t_a ON t (a);\nALTER TABLE t ADD c int DEFAULT missing();\n"
    )
    path = book(tmp_path, sql)
    async with opened(path, database) as live:
        assert await live.to_end() == 1
        assert live.state.step("1").completed == 2
    execute(database, "CREATE FUNCTION app.missing() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    async with opened(path, database) as again:
        assert await again.to_end() == 0
        assert [started.index for started in again.all(e.StatementStarted)] == [3]
        assert (
            one(database, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'app.t'::regclass AND attname = 'c'") == 1
        )


async def test_a_rebuild_that_was_cancelled_leaves_a_copy_that_is_taken_away(
    tmp_path: Path, database_each: str
) -> None:
    execute(database_each, TABLE, "CREATE INDEX t_a ON t (a)")
    sql = "REINDEX INDEX CONCURRENTLY t_a;\nCOMMENT ON INDEX t_a IS 'rebuilt';\n"
    path = book(tmp_path, sql, "COMMENT ON INDEX t_a IS NULL")
    async with opened(path, database_each) as live, session(database_each, autocommit=False) as old:
        await old.execute("INSERT INTO t VALUES (1)")
        going = asyncio.create_task(live.to_end())
        await until_true(database_each, "SELECT count(*) > 0 FROM pg_class WHERE relname = 't_a_ccnew'")
        await live.run.cancel()
        assert await going == 1
        assert live.state.step("1").repair == ("DROP INDEX CONCURRENTLY public.t_a_ccnew",)
        await old.rollback()
        assert await live.to_end() == 0
        assert one(database_each, "SELECT obj_description('t_a'::regclass)") == "rebuilt"
        assert one(database_each, "SELECT count(*) FROM pg_class WHERE relname LIKE 't_a_cc%'") == 0


def test_a_name_of_the_catalog_does_not_drive_the_terminal(
    tmp_path: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    execute(database, TABLE, TWICE)
    path = book(tmp_path, 'CREATE UNIQUE INDEX CONCURRENTLY "t\x1b[2J" ON t (a);\n')
    assert cli.run(["run", str(path), "-d", database, "--yes"]) == 1
    assert cli.run(["status", str(path), "-d", database]) == 1
    told = capfd.readouterr()
    assert "repair: DROP INDEX CONCURRENTLY" in told.err
    assert "repair: DROP INDEX CONCURRENTLY" in told.out
    assert "\x1b" not in told.out + told.err
