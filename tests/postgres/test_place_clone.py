"""A rehearsal on a clone: a true copy of the database, marked as ours, and gone however the rehearsal ends."""

import asyncio
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from runbooks import execute, one, opened, read, rows, session, until_true, write

from tui.engine.places import PlaceFailed, on_clone, sweep
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn
from tui.runbook.model import Runbook

COPIES = "SELECT datname FROM pg_database WHERE datname LIKE 'lockstep_rehearsal_%' ORDER BY datname"
COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
LIVING = """
import asyncio, signal, sys
from tui.runbook.load import load
from pathlib import Path
from tui.engine.places import on_clone
from tui.postgres.session import Dsn

async def main():
    work = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    async with on_clone(Dsn(sys.argv[1]), load(Path(sys.argv[2])).runbook, told=lambda line: None) as place:
        print((await place.fresh()).get("dbname"), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def book(tmp_path: Path) -> Runbook:
    return read(write(tmp_path / "small", {"001": "ALTER TABLE people ADD COLUMN age integer;"}))


@pytest.fixture
def filled(database_each: str) -> str:
    execute(database_each, "CREATE TABLE people (id integer PRIMARY KEY)", "INSERT INTO people VALUES (1), (2)")
    return database_each


def copies(dsn: str) -> list[str]:
    return [str(name) for (name,) in rows(dsn, COPIES)]


def elsewhere(dsn: str) -> str:
    """The same server, in no database that is copied."""
    return str(Dsn(dsn).with_(dbname="postgres"))


def name_of(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["dbname"])


class TestWhatACopyIs:
    async def test_one_copy_is_as_the_other(self, filled: str, book: Runbook) -> None:
        seen = []
        async with on_clone(Dsn(filled), book, told=lambda line: None) as place:
            for _ in range(2):
                dsn = str(await place.fresh())
                seen.append(one(dsn, COMMENT))
                # A clock that went on meanwhile must not show in it.
                await until_true(dsn, f"SELECT clock_timestamp() > '{datetime.now(UTC)}'::timestamptz + interval '1 s'")
        assert seen[0] == seen[1]

    async def test_everything_is_carried_over(self, filled: str, book: Runbook) -> None:
        name, told = name_of(filled), list[str]()
        with psycopg.connect(elsewhere(filled), autocommit=True) as admin:
            for role in ("clone_owner", 'clone "guest"'):
                admin.execute(psycopg.sql.SQL("DROP ROLE IF EXISTS {}").format(psycopg.sql.Identifier(role)))
                admin.execute(psycopg.sql.SQL("CREATE ROLE {}").format(psycopg.sql.Identifier(role)))
        try:
            execute(
                filled,
                "CREATE SCHEMA lockstep CREATE TABLE kept (n integer)",
                f'ALTER DATABASE {name} SET search_path TO "$user", \'Odd, "name"\', public',
                f"ALTER DATABASE {name} SET \"app.note\" TO 'it''s \\ here'",
                f"ALTER ROLE clone_owner IN DATABASE {name} SET statement_timeout TO '7s'",
                f"ALTER DATABASE {name} SET default_transaction_read_only TO on",
                f"ALTER DATABASE {name} OWNER TO clone_owner",
                f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC",
                f'GRANT CONNECT ON DATABASE {name} TO "clone ""guest""" WITH GRANT OPTION',
                f"ALTER DATABASE {name} CONNECTION LIMIT 9",
            )
            about = (
                "SELECT pg_get_userbyid(datdba), "
                "(SELECT array_agg(acl::text ORDER BY acl::text) FROM unnest(datacl) acl), "
                "datconnlimit, datallowconn, "
                "(SELECT array_agg((setrole::regrole::text, setconfig)::text ORDER BY setrole) FROM pg_db_role_setting "
                "WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = "
            )
            before = rows(elsewhere(filled), f"{about}'{name}'")
            async with on_clone(Dsn(filled), book, told=told.append) as place:
                dsn = str(await place.fresh())
                assert rows(elsewhere(filled), f"{about}'{name_of(dsn)}'") == before
                assert one(dsn, "SHOW search_path") == '"$user", "Odd, ""name""", public'
                assert one(dsn, "SHOW app.note") == "it's \\ here"
                assert one(dsn, "SELECT count(*) FROM people") == 2
                assert one(dsn, "SELECT to_regnamespace('lockstep') IS NULL") is True
                comment = one(
                    dsn,
                    "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()",
                )
                assert str(comment).startswith(f"Lockstep: rehearsal copy of {name}, begun 20")
                assert (place.kind, place.has_data) == ("clone", True)
                assert place.where == f"a clone of {name} on localhost:5432"
            assert one(filled, "SELECT count(*) FROM lockstep.kept") == 0
            assert copies(filled) == []
            assert any("MB: twice that is needed" in line for line in told), told
        finally:
            execute(
                elsewhere(filled),
                f"DROP DATABASE {name} WITH (FORCE)",
                "DROP ROLE clone_owner",
                'DROP ROLE "clone ""guest"""',
            )

    async def test_each_fresh_copy_is_the_original_as_it_was(self, filled: str, book: Runbook) -> None:
        async with on_clone(Dsn(filled), book, told=lambda _: None) as place:
            first = str(await place.fresh())
            # The rehearsal left a session behind, and the application goes on in the original.
            async with session(first) as left, session(filled) as application:
                await left.execute("DROP TABLE people")
                await application.execute("INSERT INTO people VALUES (3)")
                second = str(await place.fresh())
                assert one(second, "SELECT count(*) FROM people") == 2
                assert first != second
                assert len(copies(filled)) == 2
        assert copies(filled) == []

    async def test_a_copy_whose_maker_lost_its_session(self, filled: str, book: Runbook) -> None:
        async with on_clone(Dsn(filled), book, told=lambda _: None) as place:
            await place.fresh()
            keeper = "FROM pg_stat_activity WHERE application_name = 'lockstep rehearsal'"
            assert one(filled, f"SELECT pg_terminate_backend(pid, 5000) {keeper}") is True
            assert one(str(await place.fresh()), "SELECT count(*) FROM people") == 2
            assert await sweep(Dsn(filled)) == []
        assert copies(filled) == []

    async def test_roles_that_a_migration_made_are_told(self, filled: str, book: Runbook) -> None:
        told: list[str] = []
        try:
            with pytest.raises(PlaceFailed, match=r"during the rehearsal: role made_in_rehearsal\..*nothing is proven"):
                async with on_clone(Dsn(filled), book, told=told.append) as place:
                    execute(str(await place.fresh()), "CREATE ROLE made_in_rehearsal")
            assert "and left so: role made_in_rehearsal" in told[-1]
            assert copies(filled) == []
        finally:
            execute(filled, "DROP ROLE IF EXISTS made_in_rehearsal")


class TestRefused:
    async def test_where_the_migration_began(self, filled: str, book: Runbook) -> None:
        async with opened(book, filled) as live:
            assert await live.to_end() == 0
        with pytest.raises(
            PlaceFailed, match=r"its ledger says that 001 ran there\. Rehearse on a database from before"
        ):
            await on_clone(Dsn(filled), book, told=lambda _: None).__aenter__()
        assert copies(filled) == []

    async def test_while_somebody_is_connected(self, filled: str, book: Runbook) -> None:
        async with session(filled, name="billing\x1b[2J") as application:
            pid = application.info.backend_pid
            idle = f"SELECT state = 'idle' FROM pg_stat_activity WHERE pid = {pid}"
            await application.execute("SELECT 1")
            await until_true(filled.replace(name_of(filled), "postgres"), idle)
            with pytest.raises(PlaceFailed) as caught:
                await on_clone(Dsn(filled), book, told=lambda _: None).__aenter__()
            said = str(caught.value)
            # A session of the fixture's may still be on its way out, and is named as well.
            assert f" {pid} billing" in said.partition("connected are:")[2]
            assert "of postgres, idle" in said
            assert ". End these, keep new ones out" in said
            assert "\x1b" not in said
            await application.execute("SELECT 1")
        assert copies(filled) == []

    async def test_without_the_right_to(self, filled: str, book: Runbook) -> None:
        name = name_of(filled)
        execute(filled, "DROP ROLE IF EXISTS clone_poor", "CREATE ROLE clone_poor LOGIN")
        try:
            dsn = Dsn(filled).with_(user="clone_poor")
            with pytest.raises(PlaceFailed, match="ALTER ROLE clone_poor CREATEDB"):
                await on_clone(dsn, book, told=lambda _: None).__aenter__()
            execute(filled, "ALTER ROLE clone_poor CREATEDB")
            with pytest.raises(PlaceFailed, match=rf"only the owner of {name} may copy it, which is postgres"):
                await on_clone(dsn, book, told=lambda _: None).__aenter__()
            execute(filled, f"ALTER DATABASE {name} OWNER TO clone_poor", "ALTER TABLE people OWNER TO clone_poor")
            async with on_clone(dsn, book, told=lambda _: None) as place:
                copy = str(await place.fresh())
                assert one(copy, "SELECT current_user || count(*) FROM people") == "clone_poor2"
            assert copies(filled) == []
        finally:
            execute(elsewhere(filled), f"ALTER DATABASE {name} OWNER TO postgres")
            execute(filled, "REASSIGN OWNED BY clone_poor TO postgres", "DROP ROLE clone_poor")

    async def test_where_nobody_answers(self, tmp_path: Path, book: Runbook) -> None:
        with pytest.raises(PlaceFailed, match="No such file"):
            await on_clone(Dsn(f"host={tmp_path} dbname=app"), book, told=lambda _: None).__aenter__()


class TestGoneAfterwards:
    async def test_cancelled_while_it_is_copied(self, filled: str, book: Runbook) -> None:
        execute(filled, "CREATE TABLE much AS SELECT repeat('x', 500) FROM generate_series(1, 200000)")
        beside = elsewhere(filled)

        async def whole() -> None:
            async with on_clone(Dsn(filled), book, told=lambda _: None) as place:
                await place.fresh()
                await asyncio.Event().wait()

        for creates in (1, 2):
            work = asyncio.ensure_future(whole())
            await until_true(
                beside,
                f"SELECT count(*) = {creates - 1} FROM pg_database WHERE datname LIKE 'lockstep_rehearsal_%'",
            )
            await until_true(
                beside,
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE DATABASE%')",
            )
            work.cancel()
            # Whoever is in a hurry presses Ctrl-C again.
            await asyncio.sleep(0)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert copies(beside) == []

    async def test_after_an_error(self, filled: str, book: Runbook) -> None:
        async def whole() -> None:
            async with on_clone(Dsn(filled), book, told=lambda _: None) as place:
                execute(str(await place.fresh()), "SELECT 1 / 0")

        with pytest.raises(psycopg.errors.DivisionByZero):
            await whole()
        assert copies(filled) == []

    async def test_kill_9_and_the_next_start(self, filled: str, book: Runbook) -> None:
        with ExitStack() as children:
            living, dead, ended = (self.child(filled, book, children) for _ in range(3))
            names = [str(process.stdout.readline()).strip() for process in (living, dead, ended) if process.stdout]
            assert set(names) < set(copies(filled))
            assert len(copies(filled)) == 6
            # All three live: nothing of theirs is taken.
            assert await sweep(Dsn(filled)) == []
            ended.send_signal(signal.SIGTERM)
            ended.wait()
            assert len(copies(filled)) == 4
            dead.kill()
            dead.wait()
            assert names[1] in copies(filled)
            await until_true(
                filled, "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'lockstep rehearsal'"
            )
            told: list[str] = []
            async with on_clone(Dsn(filled), book, told=told.append) as place:
                await place.fresh()
                assert sum(line.startswith("dropped ") for line in told) == 2
                assert any(names[1] in line for line in told)
                assert names[0] in copies(filled)
                assert names[1] not in copies(filled)
                assert len(copies(filled)) == 4
            assert len(copies(filled)) == 2
            living.send_signal(signal.SIGTERM)
            living.wait()
            assert copies(filled) == []

    def child(self, dsn: str, book: Runbook, children: ExitStack) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", LIVING, dsn, str(book.path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        children.enter_context(process)
        children.callback(process.kill)
        return process

    async def test_nothing_but_ours_is_swept(self, server: EmbeddedServer) -> None:
        dsn = server.dsn()
        unmarked, used, half, large = (f"lockstep_rehearsal_{n:08x}" for n in (1, 2, 3, 0xFFFFFFFF))
        mark = "IS 'Lockstep: rehearsal copy of app, begun long ago'"
        try:
            execute(
                dsn,
                f"CREATE DATABASE {unmarked}",
                f"COMMENT ON DATABASE {unmarked} IS 'mine'",
                f"CREATE DATABASE {used}",
                f"COMMENT ON DATABASE {used} {mark}",
                f"CREATE DATABASE {half} ALLOW_CONNECTIONS false CONNECTION LIMIT {0x10C57EC}",
                f"CREATE DATABASE {large}",
                f"COMMENT ON DATABASE {large} {mark}",
                "CREATE DATABASE rehearsal_of_mine",
                f"COMMENT ON DATABASE rehearsal_of_mine {mark}",
            )
            async with session(server.dsn(used)), session(dsn) as holder:
                await holder.execute(f"SELECT pg_advisory_lock({0x10C57EC}, -1)".encode())
                assert await sweep(Dsn(dsn)) == [half]
            assert copies(dsn) == [unmarked, used, large]
            await until_true(dsn, f"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{used}')")
            await until_true(dsn, f"SELECT NOT EXISTS (SELECT FROM pg_locks WHERE classid = {0x10C57EC})")
            assert await sweep(Dsn(dsn)) == [used, large]
            assert one(dsn, "SELECT count(*) FROM pg_database WHERE datname = 'rehearsal_of_mine'") == 1
        finally:
            for name in (unmarked, used, half, large, "rehearsal_of_mine"):
                execute(dsn, f"DROP DATABASE IF EXISTS {name}")
