"""A backfill in chunks through the whole engine: exact, resumable, throttled, and seen while it runs."""

import asyncio
from pathlib import Path

import pytest
from runbooks import Live, execute, one, opened, rows, session, until_true, write
from standby import standby

from tui.engine import events as e
from tui.engine.state import StepStatus
from tui.postgres.embedded import EmbeddedServer

TABLE = "CREATE TABLE person (id int PRIMARY KEY, email text, lower_email text, done int NOT NULL DEFAULT 0)"
FILL = "INSERT INTO person (id, email) SELECT n, 'Mail' || n FROM generate_series(1, {rows}) AS n"
# Counts how often each row was done: a row that is done twice shows.
SQL = """\
CREATE TEMPORARY TABLE IF NOT EXISTS batch AS SELECT id FROM person WHERE lower_email IS NULL;
UPDATE person p SET lower_email = lower(p.email), done = p.done + 1 FROM batch WHERE p.id = batch.id;
"""
ONCE = "SELECT count(*) FROM person WHERE lower_email = lower(email) AND done = 1"


def book(root: Path, size: int = 100, target: str = "50ms", sql: str = SQL, safety: str = "") -> Path:
    batch = f'{{ table = "person", key = "id", where = "lower_email IS NULL", size = {size}, target = "{target}" }}'
    keys = {"1": f"batch = {batch}\n{safety}"}
    return write(root, {"1": sql}, {"1": "UPDATE person SET lower_email = NULL"}, keys=keys)


async def test_to_its_end_and_back(tmp_path: Path, database_each: str) -> None:
    execute(database_each, TABLE, FILL.format(rows=3000))
    async with opened(book(tmp_path), database_each) as live:
        assert await live.to_end() == 0
        assert one(database_each, ONCE) == 3000
        done = live.all(e.BatchDone)
        assert sum(chunk.rows for chunk in done) == 3000
        assert [chunk.chunk for chunk in done] == list(range(1, len(done) + 1))
        assert live.state.script is not None
        assert live.state.script.batch is not None
        assert (live.state.script.batch.done, live.state.script.batch.left) == (3000, 0)
        # The size followed the time that a chunk took.
        assert len({chunk.size for chunk in done}) > 1
        written = rows(database_each, "SELECT statement, rows FROM lockstep.act ORDER BY id")
        assert written[:-1] == [(chunk.chunk, chunk.done) for chunk in done]
        assert written[-1] == (None, 3000)
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.state.rolled_back


async def _cancelled_after(live: Live, chunks: int) -> None:
    going = asyncio.create_task(live.to_end())
    await live.until(e.BatchDone, lambda chunk: chunk.chunk == chunks)
    await live.run.cancel()
    assert await going == 1


async def test_cancelled_and_gone_on_exactly_behind_the_last_chunk(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL.format(rows=2000))
    small = book(tmp_path, size=50, target="1ms")
    async with opened(small, database) as live:
        await _cancelled_after(live, 3)
        failed = live.last(e.ScriptFailed)
        done = live.all(e.BatchDone)[-1]
        assert (failed.reason, failed.outcome, failed.completed) == ("cancelled", "partial", done.chunk)
        assert one(database, ONCE) == done.done
        assert live.state.step("1").status is StepStatus.FAILED
    async with opened(small, database, operator="dba2") as again:
        assert again.state.step("1").completed == done.chunk
        assert await again.to_end() == 0
        assert one(database, ONCE) == 2000
        assert again.all(e.BatchDone)[0].chunk == done.chunk + 1
        assert again.all(e.BatchDone)[-1].done == 2000


async def test_a_killed_session_goes_on_exactly_behind_the_last_chunk(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL.format(rows=1000))
    async with opened(book(tmp_path, size=20, target="1ms"), database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.BatchDone, lambda chunk: chunk.chunk == 4)
        pid = live.last(e.ScriptStarted).backend_pid
        execute(database, f"SELECT pg_terminate_backend({pid})")
        assert await going in (1, 5)
        completed = live.state.step("1").completed
        assert completed is not None
        assert completed >= 4
        assert one(database, "SELECT max(rows) FROM lockstep.act") == one(database, ONCE)
        assert await live.to_end() == 0
        assert one(database, ONCE) == 1000


async def test_rows_that_arrive_while_it_runs_are_seen(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL.format(rows=1000))
    async with opened(book(tmp_path, size=50, target="1ms"), database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.BatchDone, lambda chunk: chunk.chunk == 3)
        # One behind the position, one before it.
        execute(database, "INSERT INTO person (id, email) VALUES (-5, 'Before'), (5000, 'Behind')")
        assert await going == 0
        assert one(database, ONCE) == 1002
        assert len(live.all(e.BatchMeasured)) == 2


async def test_paused_between_two_chunks(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL.format(rows=1000))
    async with opened(book(tmp_path, size=20, target="1ms"), database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.BatchDone, lambda chunk: chunk.chunk == 2)
        await live.run.pause(True)
        await live.until(e.BatchThrottled, lambda throttled: throttled.reason == "paused")
        assert live.state.script is not None
        assert live.state.script.batch is not None
        assert live.state.script.batch.throttled == "paused"
        seen = one(database, ONCE)
        # It holds nothing meanwhile.
        execute(database, "BEGIN; LOCK TABLE person IN ACCESS EXCLUSIVE MODE NOWAIT; COMMIT")
        assert one(database, ONCE) == seen
        await live.run.pause(False)
        assert await going == 0
        assert live.last(e.BatchThrottled).reason == ""
        assert one(database, ONCE) == 1000


async def test_a_chunk_that_leaves_its_rows_as_they_were_stops_it(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL.format(rows=100))
    idle = SQL.replace("lower(p.email)", "CASE WHEN p.id = 7 THEN NULL ELSE lower(p.email) END")
    async with opened(book(tmp_path, sql=idle), database) as live:
        assert await live.to_end() == 1
        assert "1 of the 100 rows of this chunk still match" in live.last(e.ScriptFailed).message
        assert one(database, ONCE) == 0


async def test_a_row_that_somebody_holds_gives_way_and_takes_smaller_chunks(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL.format(rows=400))
    async with opened(book(tmp_path, size=100), database) as live, session(database, autocommit=False) as holder:
        await holder.execute("SELECT 1 FROM person WHERE id = 250 FOR UPDATE")
        going = asyncio.create_task(live.to_end())
        given = await live.until(e.LocksGivenBack)
        assert given.reason == "lock_timeout"
        # What was done before stays done, and nothing of ours waits in between.
        await until_true(database, "SELECT count(*) > 0 FROM person WHERE done = 1")
        await holder.rollback()
        assert await going == 0
        assert one(database, ONCE) == 400


async def test_a_batch_that_does_not_fit_is_told_before_anything_runs(tmp_path: Path, database: str) -> None:
    execute(database, TABLE.replace(" PRIMARY KEY", ""), FILL.format(rows=10))
    async with opened(book(tmp_path), database) as live:
        assert await live.to_end() == 1
        failed = live.last(e.ScriptFailed)
        assert (failed.outcome, failed.completed) == ("rolled_back", 0)
        assert "column id of public.person may be null" in failed.message


async def test_a_replica_that_falls_behind_is_waited_for(
    tmp_path: Path, server18: EmbeddedServer, database: str
) -> None:
    execute(database, TABLE, FILL.format(rows=3000))
    patient = 'safety = { max_replica_lag = "500ms" }'
    with standby(server18) as replica:
        await until_true(database, "SELECT count(*) > 0 FROM pg_stat_replication WHERE state = 'streaming'")
        execute(replica.dsn(), "SELECT pg_wal_replay_pause()")
        async with opened(book(tmp_path, size=5, target="1ms", safety=patient), database) as live:
            going = asyncio.create_task(live.to_end())
            told = await live.until(e.BatchThrottled, lambda throttled: throttled.reason.startswith("replica"))
            assert told.reason.endswith(" behind")
            assert one(database, ONCE) != 3000
            execute(replica.dsn(), "SELECT pg_wal_replay_resume()")
            await live.until(e.BatchThrottled, lambda throttled: not throttled.reason)
            await live.run.cancel()
            await going


async def test_who_waits_behind_us_is_let_through(tmp_path: Path, database: str) -> None:
    """A chunk that takes long keeps another writer waiting: the next chunk begins once nobody waits any more."""
    execute(database, TABLE, FILL.format(rows=40))
    slow = SQL + "SELECT pg_sleep(0.6);\n"
    async with opened(book(tmp_path, size=10, sql=slow, target="10s"), database) as live, session(database) as web:
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda started: started.index == 2)
        waiting = asyncio.create_task(web.execute("UPDATE person SET email = upper(email) WHERE id = 1"))
        told = await live.until(e.BatchThrottled, lambda throttled: bool(throttled.reason))
        assert told.reason == "1 session waits behind us"
        await waiting
        assert await going == 0
        assert one(database, "SELECT count(*) FROM person WHERE done = 1") == 40


KEYS = {
    "composite": ("a int, b text, PRIMARY KEY (a, b)", "n / 7, 'b' || n % 7", ["a", "b"]),
    "uuid": ("id uuid PRIMARY KEY", "gen_random_uuid()", ["id"]),
    "text": ("id text PRIMARY KEY", "chr(97 + n % 26) || ' ''ü' || n", ["id"]),
}


@pytest.mark.parametrize("kind", KEYS)
async def test_any_key_exactly_also_when_it_is_stopped_on_the_way(tmp_path: Path, database: str, kind: str) -> None:
    columns, values, key = KEYS[kind]
    names = ", ".join(key)
    execute(
        database,
        f"CREATE TABLE thing ({columns}, done int NOT NULL DEFAULT 0)",
        f"INSERT INTO thing ({names}) SELECT {values} FROM generate_series(1, 500) AS n",
    )
    joined = " AND ".join(f"t.{name} = batch.{name}" for name in key)
    sql = (
        f"CREATE TEMPORARY TABLE IF NOT EXISTS batch AS SELECT {names} FROM thing WHERE done = 0;\n"
        f"UPDATE thing t SET done = t.done + 1 FROM batch WHERE {joined};\n"
    )
    batch = f'batch = {{ table = "thing", key = {key}, where = "done = 0", size = 30, target = "1ms" }}'.replace(
        "'", '"'
    )
    path = write(tmp_path, {"1": sql}, keys={"1": batch})
    async with opened(path, database) as live:
        await _cancelled_after(live, 2)
    async with opened(path, database) as again:
        assert await again.to_end() == 0
    assert one(database, "SELECT count(*) FROM thing WHERE done = 1") == 500
