"""Whom a signal may hit and what its end brings: every kind of session, and what a preview promises, kept or not."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from conftest import OPTIONS
from runbooks import execute, one, until_true
from sessions import Stage

from tui.engine import operator
from tui.engine.operator import SignalPreview, preview, signal
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn, PgSession, StatementFailed


@asynccontextmanager
async def asking(dsn: str) -> AsyncIterator[PgSession]:
    async with await PgSession.open(Dsn(dsn), application_name="lockstep operator") as session:
        yield session


async def seen_by(dsn: str, pid: int, us: int | None = None) -> SignalPreview:
    async with asking(dsn) as session:
        return await preview(session, pid, frozenset({session.backend_pid}), us)


async def ended(dsn: str, seen: SignalPreview) -> None:
    async with asking(dsn) as session:
        assert (await signal(session, seen, "terminate")).gone


@pytest.fixture
async def stage(any_database: str) -> AsyncIterator[Stage]:
    async with Stage(any_database) as stage:
        await stage.app("setup", "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 0), (2, 0)")
        yield stage


async def test_what_a_preview_promises_comes_true(stage: Stage) -> None:
    first = await stage.app("billing", "BEGIN", "SELECT * FROM t")
    second = await stage.app("etl", "BEGIN", "SELECT * FROM t")
    us = await stage.waiter("us", "BEGIN", "ALTER TABLE t ADD w int")
    behind = await stage.waiter("web", "SELECT * FROM t")
    seen = await seen_by(stage.dsn, first.pid, us.pid)
    assert [w.pid for w in (*seen.release.at_once, *seen.release.later)] == []
    assert {w.pid for w in seen.release.still} == {us.pid, behind.pid}
    assert seen.release.others == ((second.pid, "etl"),)
    assert all(waiter.seconds is not None for waiter in seen.release.still)
    await ended(stage.dsn, seen)
    # As was said, both go on waiting; now it is the second one's turn to be looked at.
    assert await stage.blocking_pids() == {us.pid: {second.pid}, behind.pid: {us.pid}}
    seen = await seen_by(stage.dsn, second.pid, us.pid)
    assert [w.pid for w in seen.release.at_once] == [us.pid]
    assert [w.pid for w in seen.release.later] == [behind.pid]
    assert seen.release.still == ()
    await ended(stage.dsn, seen)
    await us.ended()
    assert await stage.blocking_pids() == {behind.pid: {us.pid}}


async def test_a_row_queue_moves_up_by_one(stage: Stage) -> None:
    holder = await stage.app("billing", "BEGIN", "UPDATE t SET v = 1 WHERE id = 1")
    first = await stage.waiter("web", "BEGIN", "UPDATE t SET v = 2 WHERE id = 1")
    others = [await stage.waiter("web", "BEGIN", "UPDATE t SET v = 3 WHERE id = 1") for _ in range(3)]
    seen = await seen_by(stage.dsn, holder.pid)
    assert [w.pid for w in seen.release.at_once] == [first.pid]
    assert {w.pid for w in seen.release.later} == {app.pid for app in others}
    await ended(stage.dsn, seen)
    await first.ended()
    assert set(await stage.blocking_pids()) == {app.pid for app in others}


async def test_a_prepared_transaction_in_the_way_is_not_moved(stage: Stage) -> None:
    await stage.app("batch", "BEGIN", "SELECT * FROM t", "INSERT INTO t VALUES (9, 9)", "PREPARE TRANSACTION 'p1'")
    try:
        holder = await stage.app("billing", "BEGIN", "SELECT * FROM t")
        us = await stage.waiter("us", "BEGIN", "ALTER TABLE t ADD w int")
        seen = await seen_by(stage.dsn, holder.pid, us.pid)
        assert [w.pid for w in seen.release.still] == [us.pid]
        assert seen.release.others == ((0, ""),)
    finally:
        await stage.leave()
        execute(stage.dsn, "ROLLBACK PREPARED 'p1'")


async def test_what_the_role_may_not_see_is_not_denied(stage: Stage, any_server: EmbeddedServer) -> None:
    execute(stage.dsn, "CREATE ROLE plain LOGIN")
    name = str(one(stage.dsn, "SELECT current_database()"))
    try:
        holder = await stage.app("billing", "BEGIN", "UPDATE t SET v = 1 WHERE id = 1")
        waiter = await stage.waiter("web", "UPDATE t SET v = 2 WHERE id = 1")
        seen = await seen_by(any_server.dsn(name, "plain"), holder.pid)
        assert [w.pid for w in seen.release.at_once] == [waiter.pid]
        assert seen.has_written is None
        assert seen.allowed is not None
    finally:
        await stage.leave()
        execute(stage.dsn, "DROP ROLE plain")


async def test_a_member_that_does_not_inherit_may_not(stage: Stage, any_server: EmbeddedServer) -> None:
    """has_privs_of_role() in signalfuncs.c wants the right itself, not only the membership."""
    execute(stage.dsn, "CREATE ROLE plain LOGIN NOINHERIT", "CREATE ROLE other LOGIN")
    execute(stage.dsn, "GRANT pg_signal_backend, pg_read_all_stats TO plain")
    name = str(one(stage.dsn, "SELECT current_database()"))
    try:
        theirs = await stage.app("web", "BEGIN", dsn=any_server.dsn(name, "other"))
        seen = await seen_by(any_server.dsn(name, "plain"), theirs.pid)
        assert seen.allowed is not None
        with (
            psycopg.connect(any_server.dsn(name, "plain")) as plain,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            plain.execute("SELECT pg_terminate_backend(%s)", (theirs.pid,))
    finally:
        await stage.leave()
        execute(stage.dsn, "DROP ROLE plain", "DROP ROLE other")


async def test_a_cancel_hits_the_query_that_was_seen_or_none(stage: Stage) -> None:
    app = await stage.app("web", "BEGIN", "UPDATE t SET v = 1 WHERE id = 1")
    other = await stage.app("web")
    await stage.leave_waiting(other, "UPDATE t SET v = 2 WHERE id = 1")
    seen = await seen_by(stage.dsn, other.pid)
    assert seen.cancellable
    await app.run("ROLLBACK", "BEGIN", "UPDATE t SET v = 1 WHERE id = 2")
    await other.ended()
    await stage.leave_waiting(other, "UPDATE t SET v = 2 WHERE id = 2")
    async with asking(stage.dsn) as session:
        done = await signal(session, seen, "cancel")
        assert (done.sent, done.gone) == (False, True)
        assert done.message == f"the query of {other.pid} ended before: another one runs, and nothing was sent"
        again = await preview(session, other.pid, frozenset(), None)
        done = await signal(session, again, "cancel")
        assert (done.sent, done.gone) == (True, True)
    with pytest.raises(psycopg.errors.QueryCanceled):
        await other.ended()


async def test_a_parallel_worker_stands_for_its_leader(stage: Stage) -> None:
    settings = "parallel_setup_cost=0", "parallel_tuple_cost=0", "min_parallel_table_scan_size=0"
    await stage.app("setup", "INSERT INTO t SELECT n, n FROM generate_series(10, 5000) AS n", "ANALYZE t")
    leader = await stage.app("report", *(f"SET {one}" for one in settings))
    leader.send("SELECT count(*) FROM t WHERE pg_sleep(60) IS NULL")
    look = await stage.until(lambda look: any(s.leader_pid == leader.pid for s in look.sessions))
    worker = next(s.pid for s in look.sessions if s.leader_pid == leader.pid)
    seen = await seen_by(stage.dsn, worker)
    assert (seen.session.pid, seen.worker, seen.session.backend_type) == (leader.pid, worker, "client backend")
    await ended(stage.dsn, seen)
    with pytest.raises(psycopg.OperationalError):
        await leader.ended()


async def test_a_session_of_another_database_in_another_encoding(stage: Stage, any_server: EmbeddedServer) -> None:
    execute(stage.dsn, "CREATE DATABASE raw ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        there = await stage.app("batch", "CREATE TABLE u (a int)", "CREATE TABLE v (a int)", dsn=any_server.dsn("raw"))
        await there.run("SET client_encoding = 'SQL_ASCII'", "BEGIN", "LOCK TABLE u, v")
        await there.connection.execute(b"SELECT 'caf\xe9'")
        seen = await seen_by(stage.dsn, there.pid)
        assert seen.session.database == "raw"
        assert seen.session.query == "SELECT 'caf\ufffd'"
        assert seen.holds == ("ACCESS EXCLUSIVE on 2 relations of database raw",)
        assert seen.allowed is None
    finally:
        await stage.leave()
        any_server.drop_database("raw")


async def test_dates_in_any_style(stage: Stage) -> None:
    name = str(one(stage.dsn, "SELECT current_database()"))
    execute(stage.dsn, f"ALTER DATABASE {name} SET datestyle = 'SQL, DMY'")
    execute(stage.dsn, f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata'")
    app = await stage.app("web", "BEGIN", "SELECT pg_advisory_lock(42)", "SELECT pg_advisory_lock(-1, 7)")
    seen = await seen_by(stage.dsn, app.pid)
    assert seen.session.backend_start is not None
    assert abs(seen.session.backend_start.timestamp() - time.time()) < 3600
    assert seen.holds == ("EXCLUSIVE on advisory lock (-1, 7)", "EXCLUSIVE on advisory lock 42")
    await ended(stage.dsn, seen)


async def test_the_servers_own_processes_are_not_offered(stage: Stage) -> None:
    for kind in ("checkpointer", "walwriter", "autovacuum launcher"):
        pid = one(stage.dsn, f"SELECT pid FROM pg_stat_activity WHERE backend_type = '{kind}'")
        assert isinstance(pid, int)
        seen = await seen_by(stage.dsn, pid)
        assert seen.allowed == f"it is the server's own {kind}"
        assert not seen.cancellable


async def test_a_walsender_is_told_as_one(stage: Stage) -> None:
    connection = await psycopg.AsyncConnection.connect(
        stage.dsn, autocommit=True, replication="database", application_name="replica"
    )
    async with connection:
        seen = await seen_by(stage.dsn, connection.info.backend_pid)
        assert (seen.session.backend_type, seen.allowed, seen.cancellable) == ("walsender", None, False)
        await ended(stage.dsn, seen)


async def test_a_look_that_hangs_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "_ANSWER_WITHIN", 0.3)
    app = await stage.app("web")
    async with asking(stage.dsn) as session:
        await preview(session, app.pid, frozenset(), None)
        await app.run("BEGIN", "LOCK TABLE pg_catalog.pg_class IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StatementFailed, match="canceling statement"):
            await preview(session, app.pid, frozenset(), None)
        await app.run("ROLLBACK")
        assert (await preview(session, app.pid, frozenset(), None)).session.pid == app.pid


async def test_an_autovacuum_worker_takes_more_than_pg_signal_backend(server18: EmbeddedServer) -> None:
    slow: dict[str, str | int | bool] = {
        "autovacuum_naptime": "1s",
        "autovacuum_vacuum_cost_delay": "100ms",
        "autovacuum_vacuum_cost_limit": 1,
    }
    with EmbeddedServer(server18.installation, options=OPTIONS | slow) as server:
        dsn = server.dsn()
        execute(dsn, "CREATE ROLE plain LOGIN", "GRANT pg_signal_backend, pg_read_all_stats TO plain")
        execute(dsn, "CREATE TABLE t (a int)", "INSERT INTO t SELECT generate_series(1, 100000)", "DELETE FROM t")
        works = "FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE '%public.t%'"
        await until_true(dsn, f"SELECT count(*) > 0 {works}", 60)
        pid = one(dsn, f"SELECT min(pid) {works}")
        assert isinstance(pid, int)
        refused = await seen_by(server.dsn(user="plain"), pid)
        assert refused.allowed is not None
        assert "pg_signal_autovacuum_worker" in refused.allowed
        with (
            psycopg.connect(server.dsn(user="plain")) as plain,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            plain.execute("SELECT pg_cancel_backend(%s)", (pid,))
        execute(dsn, "GRANT pg_signal_autovacuum_worker TO plain")
        seen = await seen_by(server.dsn(user="plain"), pid)
        assert (seen.allowed, seen.cancellable) == (None, True)
        async with asking(server.dsn(user="plain")) as session:
            done = await signal(session, seen, "cancel")
        assert (done.sent, done.gone) == (True, True)


async def test_a_connection_that_is_lost_is_told(stage: Stage) -> None:
    app = await stage.app("web", "BEGIN")
    async with asking(stage.dsn) as session:
        seen = await preview(session, app.pid, frozenset(), None)
        execute(stage.dsn, f"SELECT pg_terminate_backend({session.backend_pid})")
        told = await operator.signalled(session, seen, "terminate", "dba1")
        assert (told.sent, told.gone, told.operator) == (False, False, "dba1")
        assert "not known" in told.message
    assert await asyncio.to_thread(one, stage.dsn, f"SELECT count(*) FROM pg_stat_activity WHERE pid = {app.pid}") == 1
