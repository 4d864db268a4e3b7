"""The parts of a backfill on a real server: which rows a chunk takes, and what a batch is refused for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from runbooks import execute, one, read, rows, session, until_true, write

from tui.engine.batch import BatchRefused, Chunks
from tui.postgres.session import Dsn, PgSession, StatementFailed
from tui.runbook.model import Batch

USERS = Batch("users", ("id",), "email_lower IS NULL", size=100)
LOWER = "UPDATE users u SET email_lower = lower(u.email), times = times + 1 FROM batch WHERE u.id = batch.id"
Between = Callable[[], Awaitable[None]]


@asynccontextmanager
async def runner(dsn: str) -> AsyncIterator[PgSession]:
    async with await PgSession.open(Dsn(dsn), application_name="lockstep runner") as one_session:
        yield one_session


def users(dsn: str, count: int, kind: str = "bigint", key: str = "i") -> None:
    """Users with keys by the expression over ``i``; every change of a row counts in ``times``."""
    execute(
        dsn,
        f"CREATE TABLE users (id {kind} PRIMARY KEY, email text, email_lower text, times int NOT NULL DEFAULT 0)",
        f"INSERT INTO users (id, email) SELECT {key}, 'User' || i FROM generate_series(1, {count}) i",
    )


async def one_pass(
    chunks: Chunks,
    runner: PgSession,
    batch: Batch,
    sql: str,
    *,
    size: int = 100,
    between: Between | None = None,
) -> list[int]:
    """From the start to the end, each chunk committed; gives how many rows each one had."""
    taken: list[int] = []
    after: tuple[str, ...] | None = None
    while True:
        await runner.execute("BEGIN")
        chunk = await chunks.take(after, size)
        if chunk.rows:
            await runner.execute(sql)
            assert await chunks.undone() == 0
        await runner.execute("COMMIT")
        if not chunk.rows:
            assert chunk.last == ()
            return taken
        assert len(chunk.last) == len(batch.key)
        taken.append(chunk.rows)
        after = chunk.last
        if between is not None:
            await between()


async def whole(dsn: str, batch: Batch, sql: str, *, size: int = 100, between: Between | None = None) -> list[list[int]]:
    """All passes, until one from the start finds nothing."""
    async with runner(dsn) as us:
        chunks = await Chunks.prepare(us, batch)
        passes: list[list[int]] = []
        while not passes or passes[-1]:
            passes.append(await one_pass(chunks, us, batch, sql, size=size, between=between))
        assert await chunks.remaining() == 0
        return passes


async def test_each_row_once(database_each: str) -> None:
    users(database_each, 1050)
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, USERS)
        assert await chunks.remaining() == 1050
        execute(database_each, "UPDATE users SET email_lower = 'there', times = 1 WHERE id % 7 = 0")
        assert await chunks.remaining() == 900
    assert await whole(database_each, USERS, LOWER) == [[100] * 9, []]
    assert rows(database_each, "SELECT times, count(*) FROM users GROUP BY times") == [(1, 1050)]
    assert one(database_each, "SELECT count(*) FROM users WHERE email_lower = lower(email)") == 900


async def test_goes_on_behind_a_position_on_another_connection(database_each: str) -> None:
    users(database_each, 250)
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, USERS)
        await us.execute("BEGIN")
        chunk = await chunks.take(None, 100)
        await us.execute(LOWER)
        await us.execute("COMMIT")
        assert (chunk.rows, chunk.last) == (100, ("100",))
        await us.execute("BEGIN")
        lost = await chunks.take(chunk.last, 100)
        await us.execute(LOWER)
        assert lost.last == ("200",)
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, USERS)
        assert await chunks.remaining() == 150
        await us.execute("BEGIN")
        assert await chunks.take(chunk.last, 100) == lost
        await us.execute("COMMIT")


async def test_rows_that_come_and_go_during_the_run(database_each: str) -> None:
    users(database_each, 500, key="i * 10")
    done = 0

    async def meanwhile() -> None:
        nonlocal done
        done += 1
        if done == 2:
            execute(
                database_each,
                "INSERT INTO users (id, email) SELECT i * 10 + 1, 'New' FROM generate_series(1, 500, 10) i",
                "DELETE FROM users WHERE id % 10 = 0 AND (id / 10) % 50 = 0",
                "UPDATE users SET email_lower = 'by the application', times = times + 1 WHERE id = 4010",
            )

    passes = await whole(database_each, USERS, LOWER, between=meanwhile)
    # 10 of the rows were deleted, 6 of those ahead of us, where 30 of the new ones are; one was done by another.
    assert passes == [[100, 100, 100, 100, 23], [20], []]
    assert rows(database_each, "SELECT times, count(*) FROM users GROUP BY times") == [(1, 540)]


async def test_rows_gone_between_taking_and_the_chunks_sql(database_each: str) -> None:
    users(database_each, 10)
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, USERS)
        await us.execute("BEGIN")
        assert (await chunks.take(None, 10)).rows == 10
        execute(database_each, "DELETE FROM users WHERE id <= 3")
        assert (await us.execute(LOWER)).rows == 7
        assert await chunks.undone() == 0
        await us.execute("COMMIT")
        assert await chunks.remaining() == 0


async def test_undone_rows_are_noticed(database_each: str) -> None:
    users(database_each, 10)
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, USERS)
        await us.execute("BEGIN")
        await chunks.take(None, 6)
        assert await chunks.undone() == 6
        await us.execute(f"{LOWER} AND u.id <> 3")
        assert await chunks.undone() == 1
        await us.execute("ROLLBACK")
        assert await chunks.undone() == 0


async def test_prepares_again(database_each: str) -> None:
    users(database_each, 10)
    async with runner(database_each) as us:
        await Chunks.prepare(us, replace(USERS, key="id", where="true"))
        for _ in range(2):
            chunks = await Chunks.prepare(us, USERS)
            await us.execute("BEGIN")
            assert await chunks.take(None, 4) == await _taken(us, 4, "4")
            await us.execute("ROLLBACK")
            await us.execute("BEGIN")
            assert (await chunks.take(("4",), 100)).rows == 6
            await us.execute("COMMIT")
            assert (await us.query("SELECT count(*) FROM batch")).rows == (("0",),)
        await us.fresh()
        with pytest.raises(StatementFailed, match="batch"):
            await chunks.take(None, 4)
        chunks = await Chunks.prepare(us, USERS)
        await us.execute("BEGIN")
        chunk = await chunks.take(None, 4)
        assert chunk.rows == 4


async def _taken(us: PgSession, count: int, last: str) -> object:
    from tui.engine.batch import Chunk

    found = await us.query("SELECT count(*), max(id) FROM batch")
    assert found.rows == ((str(count), last),)
    return Chunk(count, (last,))
