"""Every kind of lock that pg_locks knows, waited for by real sessions: right edges, modes and words for each."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from lock_truth import drawn, only_child, outline, peers
from sessions import App, Stage, waits


@pytest.fixture
async def stage(any_database: str) -> AsyncIterator[Stage]:
    async with Stage(any_database) as stage:
        await stage.app("setup", "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 0), (2, 0)")
        yield stage


async def test_objects_that_are_no_relations(stage: Stage) -> None:
    database = stage.dsn.rpartition("/")[2].partition("?")[0]
    await stage.app("setup", "CREATE SCHEMA private", "CREATE TYPE mood AS ENUM ('fine')", "CREATE ROLE lock_kinds")
    try:
        things = ("SCHEMA private", "TYPE public.mood", "ROLE lock_kinds", f"DATABASE {database}")
        comments = [f"COMMENT ON {thing} IS 'x'" for thing in things]
        us = await stage.app("us", "BEGIN", *comments)
        waiters = [await stage.waiter("web", comment) for comment in comments]
        tree = await drawn(stage, us)
        assert {child.pid: child.wants for child in tree.roots[0].children} == {
            waiter.pid: f"SHARE UPDATE EXCLUSIVE on {thing.partition(' ')[0].lower()} {thing.partition(' ')[2]}"
            for waiter, thing in zip(waiters, things, strict=True)
        }
        assert len(tree.roots[0].holds) == 4
        # pg_activity has four that wait, and nobody who keeps them waiting.
        assert (await peers(stage)).blocking == set()
    finally:
        await stage.leave()
        async with Stage(stage.dsn) as after:
            await after.app("setup", "DROP ROLE lock_kinds")


async def test_a_schema_that_goes(stage: Stage) -> None:
    us = await stage.app("us", "CREATE SCHEMA private", "BEGIN", "DROP SCHEMA private")
    waiter = await stage.waiter("web", "CREATE TABLE private.x (id int)")
    node = only_child((await drawn(stage, us)).roots[0])
    assert (node.pid, node.wants) == (waiter.pid, "ACCESS SHARE on schema private")


async def test_a_page(stage: Stage) -> None:
    """A GIN index has its pending entries moved by one session at a time, which locks the page that counts them."""
    gate = await stage.app(
        "setup",
        "CREATE FUNCTION slow_compare(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS "
        "'BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN btint4cmp($1, $2); END'",
        "CREATE OPERATOR CLASS slow_ops FOR TYPE int[] USING gin AS OPERATOR 1 && (anyarray, anyarray), "
        "FUNCTION 1 slow_compare(int, int), FUNCTION 2 ginarrayextract(anyarray, internal, internal), "
        "FUNCTION 3 ginqueryarrayextract(anyarray, internal, smallint, internal, internal, internal, internal), "
        "FUNCTION 4 ginarrayconsistent(internal, smallint, anyarray, int, internal, internal, internal, internal), "
        "STORAGE int",
        "CREATE TABLE tags (of int[]) WITH (autovacuum_enabled = false)",
        "CREATE INDEX tags_of ON tags USING gin (of slow_ops)",
        "INSERT INTO tags SELECT ARRAY[n] FROM generate_series(1, 9) n",
        "SELECT pg_advisory_lock(77)",
    )
    us = await stage.waiter("us", "SELECT gin_clean_pending_list('tags_of')")
    other = await stage.waiter("dba", "SELECT gin_clean_pending_list('tags_of')")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [gate.pid, [us.pid, [other.pid]]]
    ours = only_child(tree.roots[0])
    assert ours.holds == ("EXCLUSIVE on page 0 of tags_of",)
    assert only_child(ours).wants == "EXCLUSIVE on page 0 of tags_of"


async def test_a_row_that_somebody_may_insert(stage: Stage) -> None:
    """INSERT … ON CONFLICT waits for another one that has put its row in and does not know yet whether it stays."""
    gate = await stage.app(
        "setup",
        "CREATE FUNCTION slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS "
        "'BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN $1; END'",
        "CREATE INDEX t_slow ON t (slow(v))",
        "SELECT pg_advisory_lock(77)",
    )
    insert = "INSERT INTO t VALUES (7, 7) ON CONFLICT (id) DO NOTHING"
    us = await stage.waiter("us", insert)
    other = await stage.waiter("web", insert)
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [gate.pid, [us.pid, [other.pid]]]
    ours = only_child(tree.roots[0])
    (held,) = ours.holds
    assert held.startswith("EXCLUSIVE on the row that transaction ")
    assert only_child(ours).wants == held.replace("EXCLUSIVE", "SHARE")


async def test_a_key_that_somebody_has_inserted(stage: Stage) -> None:
    first = await stage.app("web", "BEGIN", "INSERT INTO t VALUES (7, 7)")
    us = await stage.waiter("us", "INSERT INTO t VALUES (7, 8)")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [first.pid, [us.pid]]
    assert tree.our_wants == f"the end of {tree.roots[0].holds[0]}"
    assert tree.sentence.startswith(f"idle in transaction {first.pid} (web, ")
    assert " must end first; our INSERT waits " in tree.sentence


async def test_the_end_of_an_index(stage: Stage) -> None:
    """Who makes a relation longer locks its end, for microseconds: stopped again and again, it is met in them.

    VACUUM of an index asks how long it is, and takes the same lock first.
    """
    await stage.app(
        "setup",
        "CREATE UNLOGGED TABLE wide (n int, x text) WITH (autovacuum_enabled = off)",
        "ALTER TABLE wide ALTER x SET STORAGE PLAIN",
        "CREATE INDEX wide_x ON wide (n, x)",
        "INSERT INTO wide SELECT n, repeat('x', 2000) FROM generate_series(1, 500) n",
        "DELETE FROM wide WHERE n < 100",
    )
    us = await stage.app("us")
    us.send("INSERT INTO wide SELECT n, repeat('x', 2000) FROM generate_series(1000, 200000) n")

    async def caught(connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            os.kill(us.pid, signal.SIGSTOP)
            asking = asyncio.create_task(
                connection.execute(
                    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'extend' AND granted AND pid = %s "
                    "AND relation = 'wide_x'::regclass)",
                    (us.pid,),
                )
            )
            # Stopped inside the lock manager, it keeps everybody out of there.
            await asyncio.wait([asking], timeout=0.5)
            if asking.done() and await asking.result().fetchone() == (True,):
                return
            os.kill(us.pid, signal.SIGCONT)
            await asking
            assert us.sent is not None
            assert not us.sent.done(), "it was never met while it held the lock"

    async def seen(vacuum: App) -> bool:
        """It waits; False where it has not come so far within a second: what we hold besides may be in its way."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        vacuum.send("VACUUM (INDEX_CLEANUP ON) wide")
        while not waits(await stage.monitor.look(), vacuum.pid):
            if loop.time() > began + 1:
                return False
        return True

    vacuum = await stage.app("dba")
    try:
        await stage.really(caught)
        while not await seen(vacuum):
            os.kill(us.pid, signal.SIGCONT)
            await vacuum.ended()
            await stage.really(caught)
        tree = await drawn(stage, us)
        assert outline(tree.roots) == [us.pid, [vacuum.pid]]
        assert only_child(tree.roots[0]).wants == "EXCLUSIVE on the extension of wide_x"
        assert tree.roots[0].holds == ("EXCLUSIVE on the extension of wide_x",)
    finally:
        os.kill(us.pid, signal.SIGCONT)
