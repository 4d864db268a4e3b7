"""A rehearsal on a clone does the original and its server no harm, whatever lies between or a script does."""

import asyncio
import shutil
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from conftest import INSTALLATIONS, Servers
from runbooks import execute, one, read, rows, session, until_true, write

from tui import rehearse
from tui.engine import place_keeper
from tui.engine.places import PlaceFailed, on_clone, on_like, sweep
from tui.postgres import clone
from tui.postgres.embedded import EmbeddedServer, extensions, installations
from tui.postgres.session import Dsn
from tui.runbook.model import Runbook

COPIES = "SELECT datname FROM pg_database WHERE datname LIKE 'lockstep_rehearsal_%' ORDER BY datname"
LOCKS = f"FROM pg_locks WHERE locktype = 'advisory' AND classid = {clone.SPACE} AND granted"
KEEPERS = "FROM pg_stat_activity WHERE application_name = 'lockstep rehearsal'"
_STARTUP = 196608


@pytest.fixture
def book(tmp_path: Path) -> Runbook:
    return read(write(tmp_path / "small", {"001": "ALTER TABLE people ADD COLUMN age integer;"}))


@pytest.fixture
def filled(database: str) -> str:
    execute(database, "CREATE TABLE people (id integer PRIMARY KEY)", "INSERT INTO people VALUES (1), (2)")
    return database


def copies(dsn: str) -> list[str]:
    return [str(name) for (name,) in rows(dsn, COPIES)]


def elsewhere(dsn: str) -> str:
    return str(Dsn(dsn).with_(dbname="postgres"))


def quiet(_: str) -> None:
    pass


class Between:
    """What lies between us and a server: hands everything on, to one database where ``leads_to`` names it."""

    def __init__(self, server: EmbeddedServer, leads_to: bytes | None = None) -> None:
        self.port = 0
        self._socket = str(server.directory / ".s.PGSQL.5432")
        self._leads_to = leads_to
        self._ours: list[asyncio.StreamWriter] = []
        self._theirs: list[asyncio.StreamWriter] = []

    def dsn(self, database: str | None) -> Dsn:
        text = f"host=127.0.0.1 port={self.port} user=postgres sslmode=disable gssencmode=disable"
        return Dsn(text, dbname=str(database))

    def cut(self) -> None:
        """Our ends are gone; the server's live on."""
        for writer in self._ours:
            writer.transport.abort()
        self._ours.clear()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Between"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for writer in self._theirs:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        body = await reader.readexactly(length - 4)
        if self._leads_to is not None and struct.unpack("!I", body[:4])[0] == _STARTUP:
            words = body[4:].rstrip(b"\0").split(b"\0")
            given = dict(zip(words[::2], words[1::2], strict=True)) | {b"database": self._leads_to}
            body = body[:4] + b"".join(k + b"\0" + v + b"\0" for k, v in given.items()) + b"\0"
        answers, there = await asyncio.open_unix_connection(self._socket)
        self._ours.append(writer)
        self._theirs.append(there)
        there.write(struct.pack("!I", len(body) + 4) + body)
        await asyncio.gather(self._hand_on(reader, there, closes=False), self._hand_on(answers, writer, closes=True))

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, closes: bool) -> None:
        try:
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
            # An orderly end is handed on, a cut is not.
            writer.close()
        except OSError:
            if closes:
                writer.close()


class TestRefusedBeforeCopying:
    async def test_what_reaches_outside(self, filled: str, tmp_path: Path) -> None:
        steps = {"001": "SELECT 1;\nGRANT CONNECT ON DATABASE app TO PUBLIC;"}
        book = read(write(tmp_path / "reaching", steps, {"001": "SELECT pg_reload_conf();"}))
        told: list[str] = []
        with pytest.raises(PlaceFailed, match=r"steps/001\.sql:2: GRANT ON DATABASE; rollback/001.sql:1: pg_reload"):
            await on_clone(Dsn(filled), book, told=told.append).__aenter__()
        assert told == []

    async def test_a_disk_that_is_too_small(self, filled: str, book: Runbook, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = shutil.disk_usage("/")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2 * 1024 * 1024))
        with pytest.raises(PlaceFailed, match=r"need \d+ MB, and on its disk 2\.0 MB are free .* would stop"):
            await on_clone(Dsn(filled), book, told=quiet).__aenter__()
        assert copies(filled) == []

    async def test_what_another_role_owns(self, filled: str, book: Runbook) -> None:
        name = Dsn(filled).get("dbname")
        dsn = Dsn(filled).with_(user="harm_dba")
        execute(
            filled,
            "CREATE ROLE harm_dba LOGIN CREATEDB",
            f"ALTER DATABASE {name} OWNER TO harm_dba",
            "CREATE SCHEMA lockstep CREATE TABLE ledger (id integer)",
        )
        try:
            with pytest.raises(PlaceFailed, match=r"schema lockstep in .* belongs to postgres"):
                await on_clone(dsn, book, told=quiet).__aenter__()
            execute(
                filled,
                "DROP SCHEMA lockstep CASCADE",
                "CREATE FOREIGN DATA WRAPPER w",
                "CREATE SERVER far FOREIGN DATA WRAPPER w",
                "CREATE USER MAPPING FOR harm_dba SERVER far",
            )
            with pytest.raises(PlaceFailed, match=r"the user mappings on far of postgres could not be dropped"):
                await on_clone(dsn, book, told=quiet).__aenter__()
            execute(filled, "GRANT USAGE ON FOREIGN SERVER far TO harm_dba")
            async with on_clone(dsn, book, told=quiet) as place:
                assert one(str(await place.fresh()), "SELECT count(*) FROM pg_user_mappings") == 0
        finally:
            execute(elsewhere(filled), f"ALTER DATABASE {name} OWNER TO postgres")
            execute(filled, "DROP OWNED BY harm_dba CASCADE", "DROP ROLE harm_dba")


class TestNobodyWaits:
    async def test_behind_those_who_are_in_the_original(self, filled: str, book: Runbook) -> None:
        with psycopg.connect(filled) as application:
            application.execute("SELECT 1")
            assert await self.refused(filled, book, "; connected are: .*idle in transaction") < 3

    async def test_behind_a_lock_of_the_original_itself(self, filled: str, book: Runbook) -> None:
        name = Dsn(filled).get("dbname")
        with psycopg.connect(elsewhere(filled)) as careless:
            careless.execute(f"COMMENT ON DATABASE {name} IS 'x'".encode())
            assert await self.refused(filled, book, "lock timeout. Somebody alters it") < 4

    async def refused(self, dsn: str, book: Runbook, why: str) -> float:
        """How long somebody waited at most who connected meanwhile."""
        refusing = asyncio.ensure_future(on_clone(Dsn(dsn), book, told=quiet).__aenter__())
        longest = 0.0
        while not refusing.done():
            begun = time.monotonic()
            async with await psycopg.AsyncConnection.connect(dsn):
                longest = max(longest, time.monotonic() - begun)
            await asyncio.sleep(0.05)
        with pytest.raises(PlaceFailed, match=why):
            await refusing
        assert copies(dsn) == []
        return longest

    async def test_a_prepared_transaction_is_named(self, filled: str, book: Runbook) -> None:
        execute(filled, "BEGIN", "DELETE FROM people", "PREPARE TRANSACTION 'left'")
        try:
            with pytest.raises(PlaceFailed, match="connected are: prepared transaction left of postgres"):
                await on_clone(Dsn(filled), book, told=quiet).__aenter__()
        finally:
            execute(filled, "ROLLBACK PREPARED 'left'")

    async def test_autovacuum_is_in_nobodys_way(self, book: Runbook) -> None:
        """Neither in the original nor in a copy, and an ordinary role may not end it there."""
        options: dict[str, str | int | bool] = {
            "autovacuum_naptime": "1s",
            "autovacuum_vacuum_cost_delay": "100ms",
            "autovacuum_vacuum_cost_limit": 1,
        }
        with EmbeddedServer(options=options) as server:
            execute(server.dsn(), "CREATE ROLE harm_owner LOGIN CREATEDB", "CREATE DATABASE app OWNER harm_owner")
            dsn = server.dsn("app", "harm_owner")
            execute(dsn, "CREATE SCHEMA s CREATE TABLE people (id integer, much text)")

            async def vacuumed(there: str) -> None:
                execute(
                    there,
                    "INSERT INTO s.people SELECT g, repeat('x', 200) FROM generate_series(1, 100000) g",
                    "DELETE FROM s.people WHERE id % 2 = 0",
                )
                worker = "FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND datname = "
                name = Dsn(there).get("dbname")
                await until_true(server.dsn(), f"SELECT EXISTS (SELECT {worker} '{name}')", seconds=60)

            await vacuumed(dsn)
            told: list[str] = []
            async with on_clone(Dsn(dsn), book, told=told.append) as place:
                await vacuumed(str(await place.fresh()))
                await vacuumed(str(await place.fresh()))
            assert copies(server.dsn()) == []
            assert len(told) == 1


class TestTheRightServer:
    async def test_what_leads_every_name_to_one_database(
        self, server18: EmbeddedServer, filled: str, book: Runbook
    ) -> None:
        execute(filled, "CREATE SCHEMA lockstep CREATE TABLE kept (n integer)")
        name = Dsn(filled).get("dbname")
        async with Between(server18, str(name).encode()).listening() as between:
            with pytest.raises(PlaceFailed, match=rf"leads lockstep_rehearsal_\w+ to the database {name}"):
                async with on_clone(between.dsn(name), book, told=quiet) as place:
                    await place.fresh()
        assert one(filled, "SELECT count(*) FROM lockstep.kept") == 0
        assert copies(filled) == []

    async def test_one_of_several_hosts_is_kept(self, servers: Servers, book: Runbook) -> None:
        both = [servers.get(INSTALLATIONS[name]) for name in ("wheel16", "wheel18")]
        for server in both:
            execute(server.create_database("harm_hosts"), "CREATE TABLE people (id integer)")
        hosts = ",".join(str(server.directory) for server in both)
        dsn = Dsn(f"host={hosts} port=5432,5432 user=postgres dbname=harm_hosts load_balance_hosts=random")
        try:
            for _ in range(4):
                there = await clone.pinned(dsn, application_name="test")
                major = int(str(one(str(there), "SHOW server_version_num"))) // 10000
                async with on_clone(there, book, told=quiet) as place:
                    fresh = await place.fresh()
                    assert fresh.get("host") == there.get("host")
                    assert int(str(one(str(fresh), "SHOW server_version_num"))) // 10000 == major
                async with on_clone(dsn, book, told=quiet) as place:
                    fresh = await place.fresh()
                    assert fresh.get("host") in {str(server.directory) for server in both}
            assert [copies(server.dsn()) for server in both] == [[], []]
        finally:
            for server in both:
                server.drop_database("harm_hosts")


class TestOnlyOurs:
    async def test_another_database_of_that_name(
        self, filled: str, book: Runbook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        theirs = "lockstep_rehearsal_deadbeef"
        execute(filled, f"CREATE DATABASE {theirs}", f"COMMENT ON DATABASE {theirs} IS 'precious'")
        monkeypatch.setattr(clone, "token_hex", lambda _: "deadbeef")
        try:
            with pytest.raises(PlaceFailed, match="already exists"):
                await on_clone(Dsn(filled), book, told=quiet).__aenter__()
            assert copies(filled) == [theirs]
            # Advisory locks are those of one database, and the keeper's is postgres.
            async with session(elsewhere(filled)) as beside:
                await beside.execute(f"SELECT pg_advisory_lock({clone.SPACE}, x'deadbeef'::int)".encode())
                with pytest.raises(PlaceFailed, match=f"another session has the lock of {theirs}"):
                    await on_clone(Dsn(filled), book, told=quiet).__aenter__()
        finally:
            execute(filled, f"DROP DATABASE {theirs}")

    async def test_a_function_that_goes_before_the_catalogs(self, filled: str, book: Runbook) -> None:
        """An exact match goes before the catalog's format(text, VARIADIC "any"), whatever comes first in the path."""
        for arguments in ("text, name", "text, text", "text, name, name", "text, text, name"):
            execute(
                filled,
                f"CREATE FUNCTION public.format({arguments}) RETURNS text LANGUAGE plpgsql "
                "AS $$ BEGIN RAISE EXCEPTION 'runs as %', current_user; END $$",
            )
        execute(
            filled,
            "CREATE FOREIGN DATA WRAPPER w",
            "CREATE SERVER far FOREIGN DATA WRAPPER w",
            "CREATE USER MAPPING FOR PUBLIC SERVER far",
        )
        async with on_clone(Dsn(filled), book, told=quiet) as place:
            await place.fresh()
        async with on_like(Dsn(filled), book, told=quiet) as place:
            await place.fresh()
        await rehearse.agreed(book, Dsn(filled), False)

    async def test_event_triggers_find_their_tables(self, filled: str, book: Runbook) -> None:
        execute(
            filled,
            "CREATE TABLE drops (tag text)",
            "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql "
            "AS $$ BEGIN INSERT INTO drops VALUES (tg_tag); END $$",
            "CREATE SCHEMA lockstep",
            "CREATE EVENT TRIGGER noting ON sql_drop EXECUTE FUNCTION note()",
        )
        async with on_clone(Dsn(filled), book, told=quiet) as place:
            assert rows(str(await place.fresh()), "SELECT tag FROM drops") == [("DROP SCHEMA",)]

    async def test_a_copy_that_lost_its_mark_is_named(self, filled: str, book: Runbook) -> None:
        told: list[str] = []
        async with on_clone(Dsn(filled), book, told=told.append) as place:
            name = (await place.fresh()).get("dbname")
            execute(filled, f"COMMENT ON DATABASE {name} IS 'mine now'")
        assert copies(filled) == [name]
        assert "has lost the mark or the lock of the copy that we made; it stays" in told[-1]
        assert f'DROP DATABASE "{name}"' in told[-1]
        execute(filled, f"DROP DATABASE {name}")


class TestTheKeeper:
    async def test_an_idle_one_is_no_forgotten_one(self, filled: str, book: Runbook) -> None:
        execute(
            filled, "CREATE ROLE harm_idle LOGIN SUPERUSER", "ALTER ROLE harm_idle SET idle_session_timeout = '300ms'"
        )
        dsn = Dsn(filled).with_(user="harm_idle")
        try:
            async with on_clone(dsn, book, told=quiet) as place:
                await place.fresh()
                keeper = rows(filled, f"SELECT pid {KEEPERS}")
                async with session(str(dsn.with_(dbname="postgres")), name="idler"):
                    ended = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'idler')"
                    await until_true(filled, ended)
                assert rows(filled, f"SELECT pid {KEEPERS}") == keeper
        finally:
            execute(filled, "DROP ROLE harm_idle")

    async def test_a_lost_one_is_replaced_with_the_locks_of_both(
        self, filled: str, book: Runbook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(place_keeper, "WATCH_EVERY", 0.1)
        async with on_clone(Dsn(filled), book, told=quiet) as place:
            await place.fresh()
            lost = one(filled, f"SELECT pid {KEEPERS}")
            assert one(filled, f"SELECT count(*) {LOCKS}") == 2
            assert one(filled, f"SELECT pg_terminate_backend({lost}, 5000)") is True
            await until_true(filled, f"SELECT count(*) = 2 AND bool_and(pid <> {lost}) {LOCKS}")
            assert await sweep(Dsn(filled)) == []
            assert one(str(await place.fresh()), "SELECT count(*) FROM people") == 2
        assert copies(filled) == []

    async def test_a_lock_that_somebody_else_took_meanwhile(self, filled: str, book: Runbook) -> None:
        async with on_clone(Dsn(filled), book, told=quiet) as place:
            await place.fresh()
            pristine = int(next(name for name in copies(filled))[-8:], 16)
            key = pristine - (1 << 32) if pristine >= 1 << 31 else pristine
            assert one(filled, f"SELECT pg_terminate_backend(pid, 5000) {KEEPERS}") is True
            async with session(elsewhere(filled)) as other:
                await other.execute(f"SELECT pg_advisory_lock({clone.SPACE}, {key})".encode())
                with pytest.raises(PlaceFailed, match="another session has the lock of lockstep_rehearsal_"):
                    await place.fresh()
            await until_true(filled, f"SELECT count(*) = 0 {LOCKS}")
            await place.fresh()
        assert copies(filled) == []

    async def test_a_connection_that_breaks_while_it_copies(
        self, server18: EmbeddedServer, filled: str, book: Runbook
    ) -> None:
        execute(filled, "CREATE TABLE much AS SELECT repeat('x', 900) FROM generate_series(1, 200000)")
        beside = elsewhere(filled)
        told: list[str] = []
        async with Between(server18).listening() as between:
            work = asyncio.ensure_future(
                on_clone(between.dsn(Dsn(filled).get("dbname")), book, told=told.append).__aenter__()
            )
            copying = "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE DATABASE%'"
            await until_true(beside, f"SELECT EXISTS ({copying})")
            between.cut()
            with pytest.raises(PlaceFailed):
                await work
            assert one(beside, f"SELECT NOT EXISTS ({copying})") is True
        assert copies(beside) == []
        assert [line for line in told if "it stays" in line] == []


class TestOtherServers:
    async def test_user_mappings_are_left_out(self, filled: str, book: Runbook) -> None:
        execute(
            filled,
            "CREATE FOREIGN DATA WRAPPER w",
            'CREATE SERVER "far \'away" FOREIGN DATA WRAPPER w',
            "CREATE USER MAPPING FOR PUBLIC SERVER \"far 'away\" OPTIONS (password 'hidden')",
            'CREATE USER MAPPING FOR postgres SERVER "far \'away"',
        )
        told: list[str] = []
        async with on_clone(Dsn(filled), book, told=told.append) as place:
            for _ in range(2):
                assert one(str(await place.fresh()), "SELECT count(*) FROM pg_user_mappings") == 0
        assert one(filled, "SELECT count(*) FROM pg_user_mappings") == 2
        assert told.count("left out: 2 user mappings, so that no other server is reached") == 1

    async def test_extensions_that_need_none_are_told(self, servers: Servers, book: Runbook) -> None:
        contrib = [one for one in installations() if {"dblink", "file_fdw"} <= extensions(one)]
        if not contrib:
            pytest.skip("no PostgreSQL with contrib on this machine")
        server = servers.get(contrib[0])
        dsn = server.create_database("harm_contrib")
        told: list[str] = []
        try:
            execute(dsn, "CREATE EXTENSION dblink", "CREATE EXTENSION file_fdw")
            async with on_clone(Dsn(dsn), book, told=told.append):
                pass
        finally:
            server.drop_database("harm_contrib")
        assert [line for line in told if "is installed" in line] == [
            f"{name} is installed: by it functions of the schema can reach beyond the copy"
            for name in ("dblink", "file_fdw")
        ]


class TestLeaving:
    async def test_what_changed_outside_makes_it_fail(self, filled: str, book: Runbook) -> None:
        name = Dsn(filled).get("dbname")
        said = rf"during the rehearsal: database {name}, settings of database {name}\."

        async def whole(last: str) -> None:
            async with on_clone(Dsn(filled), book, told=quiet) as place:
                await place.fresh()
                execute(
                    filled,
                    f"ALTER DATABASE {name} SET app.note TO '{last}'",
                    f"ALTER DATABASE {name} CONNECTION LIMIT {len(last)}",
                    last,
                )

        with pytest.raises(PlaceFailed, match=said):
            await whole("SELECT 1")
        # What went wrong before is not hidden.
        with pytest.raises(psycopg.errors.DivisionByZero):
            await whole("SELECT 1 / 0")
        assert copies(filled) == []

    async def test_each_copy_goes_for_itself(self, filled: str, book: Runbook) -> None:
        """A superuser is in the copy that was given, whom the ordinary role may not throw out."""
        name = Dsn(filled).get("dbname")
        execute(
            filled,
            "CREATE ROLE harm_owner LOGIN CREATEDB",
            f"ALTER DATABASE {name} OWNER TO harm_owner",
            "ALTER TABLE people OWNER TO harm_owner",
        )
        told: list[str] = []
        try:
            async with on_clone(Dsn(filled).with_(user="harm_owner"), book, told=told.append) as place:
                given = (await place.fresh()).get("dbname")
                monitor = await psycopg.AsyncConnection.connect(str(Dsn(filled).with_(dbname=str(given))))
            try:
                assert copies(filled) == [given]
                assert told[-1].startswith(f"on localhost: could not drop {given}: ")
                assert told[-1].endswith(f'or you: DROP DATABASE "{given}"')
            finally:
                await monitor.close()
            await until_true(filled, f"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{given}')")
            assert await sweep(Dsn(filled)) == [given]
        finally:
            execute(elsewhere(filled), f"ALTER DATABASE {name} OWNER TO postgres")
            execute(filled, "REASSIGN OWNED BY harm_owner TO postgres", "DROP ROLE harm_owner")

    async def test_a_copy_that_was_made_a_template(self, filled: str, book: Runbook) -> None:
        async with on_clone(Dsn(filled), book, told=quiet) as place:
            name = (await place.fresh()).get("dbname")
            execute(filled, f"ALTER DATABASE {name} IS_TEMPLATE true")
        assert copies(filled) == []

    async def test_a_copy_whose_dropping_was_cut_short(self, filled: str, book: Runbook) -> None:
        """The server marks it as invalid before it drops it, and refuses to alter it from then on."""
        cut = "UPDATE pg_database SET datconnlimit = -2 WHERE datname LIKE 'lockstep_rehearsal_%'"
        dead = "lockstep_rehearsal_00000002"
        execute(filled, f"CREATE DATABASE {dead}", f"COMMENT ON DATABASE {dead} IS 'Lockstep: rehearsal copy of app'")
        execute(filled, cut)
        told: list[str] = []
        async with on_clone(Dsn(filled), book, told=told.append) as place:
            await place.fresh()
            execute(filled, cut)
        assert copies(filled) == []
        assert told[0] == f"dropped {dead}, which a rehearsal left that died"
        assert len(told) == 2

    async def test_a_dead_one_that_cannot_be_dropped_is_told(self, filled: str, book: Runbook) -> None:
        dead = "lockstep_rehearsal_00000001"
        inside = str(Dsn(filled).with_(dbname=dead))
        execute(filled, f"CREATE DATABASE {dead}", f"COMMENT ON DATABASE {dead} IS 'Lockstep: rehearsal copy of app'")
        execute(
            inside,
            "CREATE SUBSCRIPTION s CONNECTION 'host=192.0.2.1' PUBLICATION p "
            "WITH (connect = false, slot_name = NONE, enabled = false)",
        )
        told: list[str] = []
        try:
            async with on_clone(Dsn(filled), book, told=told.append):
                pass
            assert told[0].startswith(f"could not drop {dead}, which a rehearsal left that died: ")
            assert "subscription" in told[0]
            assert f'DROP DATABASE "{dead}"' in told[0]
        finally:
            execute(inside, "DROP SUBSCRIPTION s")
            assert await sweep(Dsn(filled)) == [dead]
