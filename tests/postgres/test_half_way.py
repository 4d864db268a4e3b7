"""What stands half-way is never taken for whole, nothing that is done is done again, and a stop is heard at once."""

import asyncio
from pathlib import Path

import pytest
from runbooks import execute, one, opened, rows, session, until_true, write

from tui.engine import events as e
from tui.engine.state import StepStatus, VerificationStatus
from tui.engine.work import GateClosed

ALONE = {"1": "transaction = false"}
TABLE = "CREATE TABLE person (id int PRIMARY KEY, done int NOT NULL DEFAULT 0)"
FILL = "INSERT INTO person SELECT n FROM generate_series(1, 400) AS n"
SQL = """\
CREATE TEMPORARY TABLE IF NOT EXISTS batch AS SELECT id FROM person WHERE done = 0;
UPDATE person p SET done = p.done + 1 FROM batch WHERE p.id = batch.id;
"""
BATCH = 'batch = { table = "person", key = "id", where = "done = 0", size = 10, target = "1ms" }'


async def test_a_repair_runs_once_however_often_the_rest_is_tried(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (1)", "CREATE TABLE u ()")
    sql = "CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a);\nALTER TABLE u ADD b int;\n"
    async with opened(write(tmp_path, {"1": sql}, keys=ALONE), database) as live:
        assert await live.to_end() == 1
        assert live.state.next_act().kind == "repair"
        execute(database, "DELETE FROM t")
        async with session(database, autocommit=False) as holder:
            await holder.execute("SELECT * FROM u")
            going = asyncio.create_task(live.to_end())
            await live.until(e.LocksGivenBack)
            await holder.rollback()
        assert await going == 0
        assert len(live.all(e.RepairStarted)) == 1
        assert one(database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass") is True


async def test_what_was_mended_by_hand_meanwhile_is_not_repaired(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (1)")
    book = write(tmp_path, {"1": "CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a);\n"}, keys=ALONE)
    async with opened(book, database) as live:
        assert await live.to_end() == 1
        execute(database, "DELETE FROM t", "REINDEX INDEX t_a")
        with pytest.raises(GateClosed, match="is not what was shown any more"):
            await live.run.go_on()
        assert live.all(e.RepairStarted) == []
        assert await live.to_end() == 0
        assert one(database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass") is True


async def test_a_way_back_that_fails_leaves_a_half_step_half(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL)
    book = write(tmp_path, {"1": SQL}, {"1": "SELECT 1 / 0"}, keys={"1": BATCH})
    async with opened(book, database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.BatchDone, lambda chunk: chunk.chunk == 3)
        await live.run.cancel()
        assert await going == 1
        completed = live.state.step("1").completed
        await live.run.roll_back(live.run.plan_rollback(None))
        step = live.state.step("1")
        assert (step.status, step.completed) == (StepStatus.FAILED, completed)
        assert live.state.applied == ()
        assert await live.to_end() == 0
        assert one(database, "SELECT count(*) FROM person WHERE done = 1") == 400


async def test_what_the_server_refused_is_not_done_because_something_of_that_name_is_there(
    tmp_path: Path, database: str
) -> None:
    execute(database, "CREATE TABLE t (a int, b text)", "CREATE INDEX t_low ON t (upper(b))")
    book = write(tmp_path, {"1": "CREATE INDEX CONCURRENTLY t_low ON t (lower(b));\n"}, keys=ALONE)
    async with opened(book, database) as live:
        for _ in range(2):
            assert await live.to_end() == 1
            assert live.state.step("1").status is StepStatus.FAILED
            assert live.state.step("1").completed == 0
        assert rows(database, "SELECT statement, begun FROM lockstep.act ORDER BY id DESC LIMIT 1") == [(0, False)]


async def test_a_typo_is_not_taken_for_an_index_that_is_gone(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE t (a int)", "CREATE INDEX t_right ON t (a)")
    book = write(tmp_path, {"1": "DROP INDEX CONCURRENTLY t_rihgt;\n"}, keys=ALONE)
    async with opened(book, database) as live:
        for _ in range(2):
            assert await live.to_end() == 1
        assert live.state.applied == ()


async def test_a_stop_at_the_commit_of_a_chunk_is_heard(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL)
    async with opened(write(tmp_path, {"1": SQL}, keys={"1": BATCH}), database) as live:
        asked: list[asyncio.Task[bool]] = []

        def stop(event: e.Event, _: object) -> None:
            if isinstance(event, e.CommitIntended) and len(live.all(e.CommitIntended)) == 3:
                asked.append(asyncio.ensure_future(live.run.cancel()))

        live.run.subscribe(stop)
        assert await live.to_end() == 1
        assert [await one for one in asked] == [True]
        assert live.last(e.ScriptFailed).reason == "cancelled"
        assert 3 <= (live.state.step("1").completed or 0) <= 4


async def test_a_stop_after_a_procedure_leaves_no_doubt_about_it(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE t (a int)")
    sql = "DO $$ BEGIN INSERT INTO t VALUES (1); END $$;\nINSERT INTO t VALUES (2);\n"
    async with opened(write(tmp_path, {"1": sql}, keys=ALONE), database) as live:
        asked: list[asyncio.Task[bool]] = []

        def stop(event: e.Event, _: object) -> None:
            if isinstance(event, e.StatementFinished) and event.index == 1:
                asked.append(asyncio.ensure_future(live.run.cancel()))

        live.run.subscribe(stop)
        assert await live.to_end() == 1
        step = live.state.step("1")
        assert (step.status, step.completed) == (StepStatus.FAILED, 1)
        assert await live.to_end() == 0
        assert rows(database, "SELECT a FROM t ORDER BY a") == [(1,), (2,)]


async def test_a_verdict_does_not_outlive_the_step_that_it_judged(tmp_path: Path, database: str) -> None:
    asked = 'id = "v"\ntitle = "There"\nsql = "SELECT count(*) FROM t"\nafter = "1"\nexpect = { value = 0 }\n'
    more = f"[[verification]]\n{asked}"
    book = write(tmp_path, {"1": "CREATE TABLE t (a int)"}, {"1": "DROP TABLE t"}, more=more)
    async with opened(book, database) as live:
        assert await live.to_end() == 0
        assert live.state.verification("v").status is VerificationStatus.PASSED
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.state.verification("v").status is VerificationStatus.PENDING


async def test_a_repair_that_loses_its_session_is_not_under_way_for_ever(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (1)")
    book = write(tmp_path, {"1": "CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a);\n"}, keys=ALONE)
    async with opened(book, database) as live:
        assert await live.to_end() == 1
        execute(database, "DELETE FROM t")
        async with session(database, autocommit=False) as old:
            await old.execute("SELECT * FROM t")
            going = asyncio.create_task(live.to_end())
            await live.until(e.RepairStarted)
            await until_true(database, "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'DROP INDEX%'")
            execute(database, f"SELECT pg_terminate_backend({live.last(e.ScriptStarted).backend_pid})")
            assert await going == 1
            assert not live.state.busy
        assert await live.to_end() == 0
