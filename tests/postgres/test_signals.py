"""Cancelling and terminating other sessions: what is shown before, who is hit, what is seen after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from runbooks import Live, execute, one, opened, session, until_true, write

from tui.engine import events as e
from tui.engine.connections import RUNNER
from tui.engine.journal import read as read_journal
from tui.engine.operator import SessionGone, SignalPreview
from tui.engine.release import Release
from tui.postgres.embedded import EmbeddedServer

SAFETY = '[safety]\nlock_timeout = "20s"\nmax_blocked_for = "30s"'
OURS = "FROM pg_stat_activity WHERE application_name LIKE 'lockstep %' AND datname = current_database()"
WAITS = "SELECT count(*) >= {} FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"


@asynccontextmanager
async def blocked(
    tmp_path: Path, dsn: str, *, write_too: bool = False
) -> AsyncIterator[tuple[Live, int, "asyncio.Task[int]"]]:
    """A run whose step waits for a report that is idle in transaction, and one reader behind; with the report's pid."""
    execute(dsn, "CREATE TABLE t (a int)", "CREATE SCHEMA other", "CREATE TABLE other.u (a int)")
    book = write(tmp_path, {"1": "ALTER TABLE t ADD b int"}, safety=SAFETY)
    async with session(dsn, name="billing_report", autocommit=False) as report, opened(book, dsn) as live:
        await report.execute("SELECT * FROM t, other.u")
        if write_too:
            await report.execute("INSERT INTO other.u VALUES (1)")
        going = asyncio.create_task(live.to_end())
        await until_true(dsn, WAITS.format(1))
        try:
            yield live, report.info.backend_pid, going
        finally:
            await live.run.cancel()
            await going


async def test_a_preview_says_what_it_would_free(tmp_path: Path, any_database: str) -> None:
    async with blocked(tmp_path, any_database) as (live, pid, _), session(any_database, name="web") as web:
        reading = asyncio.create_task(web.execute("SELECT * FROM t"))
        await until_true(any_database, WAITS.format(2))
        seen = await live.run.preview_signal(pid)
        assert seen.session.pid == pid
        assert (seen.session.application_name, seen.session.user) == ("billing_report", "postgres")
        assert seen.session.state == "idle in transaction"
        assert seen.session.query == "SELECT * FROM t, other.u"
        assert seen.session.transaction_seconds is not None
        assert set(seen.holds) == {"ACCESS SHARE on t", "ACCESS SHARE on other.u"}
        assert [waiter.pid for waiter in seen.release.at_once] == [seen.ours]
        assert [(waiter.pid, waiter.name) for waiter in seen.release.later] == [(web.info.backend_pid, "web")]
        assert (seen.release.still, seen.release.others) == ((), ())
        assert seen.has_written is False
        assert not seen.cancellable
        assert seen.allowed is None
        behind = await live.run.preview_signal(web.info.backend_pid)
        assert (behind.release, behind.holds, behind.cancellable) == (Release(), (), True)
        await live.run.signal(seen, "terminate")
        await reading


async def test_what_it_has_written_would_be_lost(tmp_path: Path, database: str) -> None:
    async with blocked(tmp_path, database, write_too=True) as (live, pid, _):
        seen = await live.run.preview_signal(pid)
        assert seen.has_written
        assert "ROW EXCLUSIVE on other.u" in seen.holds


async def test_terminated_it_goes_and_the_step_goes_through(tmp_path: Path, any_database: str) -> None:
    async with blocked(tmp_path, any_database) as (live, pid, going):
        await live.run.signal(await live.run.preview_signal(pid), "terminate")
        signalled = live.last(e.SessionSignalled)
        assert (signalled.sent, signalled.gone, signalled.pid, signalled.action) == (True, True, pid, "terminate")
        assert signalled.operator == "dba1"
        assert signalled.session == "billing_report as postgres from local"
        assert signalled.message == f"session {pid} is gone"
        assert live.state.signals == (signalled,)
        assert live.run.journal_path is not None
        assert [event for event in read_journal(live.run.journal_path) if event.kind == "session_signalled"] == [
            signalled
        ]
        assert await going == 0
        with pytest.raises(SessionGone):
            await live.run.preview_signal(pid)


async def test_another_session_with_that_number_is_not_hit(tmp_path: Path, database: str) -> None:
    async with blocked(tmp_path, database) as (live, pid, _):
        seen = await live.run.preview_signal(pid)
        for action in ("cancel", "terminate"):
            await live.run.signal(replace(seen, backend_start=f"{float(seen.backend_start) - 1:.6f}"), action)
            signalled = live.last(e.SessionSignalled)
            assert (signalled.sent, signalled.gone) == (False, True)
            assert "nothing was sent" in signalled.message
        assert one(database, f"SELECT state FROM pg_stat_activity WHERE pid = {pid}") == "idle in transaction"


async def test_terminating_twice_hits_nobody(tmp_path: Path, database: str) -> None:
    async with blocked(tmp_path, database) as (live, pid, _):
        seen = await live.run.preview_signal(pid)
        await live.run.signal(seen, "terminate")
        await live.run.signal(seen, "terminate")
        assert [(s.sent, s.gone) for s in live.all(e.SessionSignalled)] == [(True, True), (False, True)]


async def test_a_cancelled_query_ends_and_its_session_stays(tmp_path: Path, any_database: str) -> None:
    async with opened(write(tmp_path, {"1": "SELECT 1"}), any_database) as live, session(any_database) as other:
        sleeping = asyncio.create_task(other.execute("SELECT pg_sleep(60)"))
        pid = other.info.backend_pid
        await until_true(any_database, f"SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {pid}")
        await live.run.signal(await live.run.preview_signal(pid), "cancel")
        with pytest.raises(psycopg.errors.QueryCanceled):
            await sleeping
        signalled = live.last(e.SessionSignalled)
        assert (signalled.sent, signalled.gone, signalled.action) == (True, True, "cancel")
        assert signalled.message == f"the query of {pid} ended; the session is still there"
        await other.execute("SELECT 1")


async def test_cancelling_an_idle_transaction_says_that_it_stays(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui.engine import operator

    monkeypatch.setattr(operator, "_GONE_WITHIN", 0.3)
    async with blocked(tmp_path, database) as (live, pid, _):
        await live.run.signal(await live.run.preview_signal(pid), "cancel")
        signalled = live.last(e.SessionSignalled)
        assert (signalled.sent, signalled.gone) == (True, False)
        assert one(database, f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") == 1


async def test_our_own_sessions_are_not_offered(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path, {"1": "SELECT 1"}), database) as live:
        await until_true(
            database,
            f"SELECT count(*) = 3 {OURS}",
        )
        with psycopg.connect(database) as connection:
            ours = connection.execute(f"SELECT pid {OURS}".encode())
            pids = [row[0] for row in ours]
        for pid in pids:
            assert (await live.run.preview_signal(pid)).allowed == "it is one of Lockstep's own sessions"


async def test_a_pid_that_nobody_has(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path, {"1": "SELECT 1"}), database) as live:
        with pytest.raises(SessionGone, match="999999 is gone"):
            await live.run.preview_signal(999999)


async def previews(live: Live, *pids: int) -> list[SignalPreview]:
    return [await live.run.preview_signal(pid) for pid in pids]


async def test_without_the_right_it_is_said_why(tmp_path: Path, server18: EmbeddedServer, database: str) -> None:
    name = str(one(database, "SELECT current_database()"))
    roles = ("migrator", "stranger")
    execute(
        database,
        "CREATE ROLE migrator LOGIN",
        "CREATE ROLE stranger LOGIN",
        f'GRANT CREATE ON DATABASE "{name}" TO migrator',
    )
    migrator, stranger = (server18.dsn(name, role) for role in roles)
    book = write(tmp_path, {"1": "SELECT 1"})
    try:
        async with (
            session(stranger, name="s") as theirs,
            session(migrator, name="m") as own,
            session(database, name="super") as boss,
        ):
            async with opened(book, migrator) as live:
                them, mine, superuser = await previews(
                    live, theirs.info.backend_pid, own.info.backend_pid, boss.info.backend_pid
                )
                assert them.allowed == "our role is no member of pg_signal_backend, nor of the session's role"
                assert mine.allowed is None
                assert superuser.allowed == "it is a superuser's session, and we are none"
            # Who may signal but sees not which session it is would perhaps hit another one.
            execute(database, "GRANT pg_signal_backend TO migrator")
            async with opened(book, migrator) as live:
                (them,) = await previews(live, theirs.info.backend_pid)
                assert them.allowed is not None
                assert "pg_read_all_stats" in them.allowed
                await live.run.signal(them, "terminate")
                signalled = live.last(e.SessionSignalled)
                assert (signalled.sent, signalled.gone) == (False, False)
            # All the same asked for, the server refuses, and that is told.
            execute(database, "GRANT pg_read_all_stats TO migrator", "REVOKE pg_signal_backend FROM migrator")
            async with opened(book, migrator) as live:
                (them,) = await previews(live, theirs.info.backend_pid)
                await live.run.signal(them, "terminate")
                signalled = live.last(e.SessionSignalled)
                assert (signalled.sent, signalled.gone) == (False, False)
                assert "permission denied" in signalled.message
            await theirs.execute("SELECT 1")
            execute(database, "GRANT pg_signal_backend TO migrator")
            async with opened(book, migrator) as live:
                them, superuser = await previews(live, theirs.info.backend_pid, boss.info.backend_pid)
                assert them.allowed is None
                assert superuser.allowed is not None
                await live.run.signal(them, "terminate")
                assert live.last(e.SessionSignalled).gone
    finally:
        execute(
            database,
            "DROP OWNED BY migrator CASCADE",
            "DROP OWNED BY stranger CASCADE",
            "DROP ROLE migrator",
            "DROP ROLE stranger",
        )


async def test_the_runner_knows_nothing_of_it(tmp_path: Path, database: str) -> None:
    async with blocked(tmp_path, database) as (live, pid, going):
        before = one(
            database,
            f"SELECT pid FROM pg_stat_activity WHERE application_name = '{RUNNER}' AND datname = current_database()",
        )
        await live.run.signal(await live.run.preview_signal(pid), "terminate")
        await going
        after = one(
            database,
            f"SELECT pid FROM pg_stat_activity WHERE application_name = '{RUNNER}' AND datname = current_database()",
        )
        assert before == after
