"""A rehearsal on an embedded server: on the runbook's fixture, and on the schema of a real database."""

import asyncio
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from conftest import PgDump, Servers
from runbooks import execute, one, opened, read, rows, session, until_true, write
from standby import standby

from tui.engine import place_embedded, place_like
from tui.engine.places import PlaceFailed, on_fixture, on_like
from tui.postgres.embedded import EmbeddedServer, extensions, installations
from tui.postgres.session import Dsn
from tui.runbook.model import Runbook

MAJORS = sorted({one.major for one in installations()})
ROLES = ("places_owner", "places_app", "Places 'Guest")
SCHEMA = """
CREATE SCHEMA app AUTHORIZATION places_owner;
SET ROLE places_owner;
SET search_path TO app;
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL, mood mood);
CREATE TABLE visits (person bigint REFERENCES people, at timestamptz) PARTITION BY RANGE (at);
CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE FUNCTION loud(text) RETURNS text LANGUAGE sql AS $$ -- Name: x; Type: USER MAPPING; Schema: y; Owner: z
  SELECT upper($1); $$;
CREATE VIEW glad AS SELECT loud(name) FROM people WHERE mood = 'glad';
CREATE MATERIALIZED VIEW sad AS SELECT name FROM people WHERE mood = 'sad';
ALTER TABLE people ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON people TO places_app USING (name = current_user);
GRANT USAGE ON SCHEMA app TO places_app;
GRANT SELECT, UPDATE (name) ON people TO places_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO "Places 'Guest";
COMMENT ON TABLE people IS 'who comes';
RESET ROLE;
RESET search_path;
INSERT INTO app.people (name) VALUES ('a');
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE FUNCTION app.noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER noting ON ddl_command_end EXECUTE FUNCTION app.noted();
CREATE SUBSCRIPTION never CONNECTION 'host=192.0.2.1 password=hidden' PUBLICATION p
  WITH (connect = false, slot_name = NONE, enabled = false);
CREATE SCHEMA lockstep CREATE TABLE lockstep.kept (n integer);
"""


@pytest.fixture
def book(tmp_path: Path) -> Runbook:
    files = {
        "fixture/001.sql": """CREATE ROLE fixture_role;
            CREATE ROLE fixture_owner;
            CREATE TABLE people (id integer PRIMARY KEY);
            ALTER TABLE people OWNER TO fixture_owner;""",
        "fixture/002.sql": """INSERT INTO people
            SELECT generate_series(1, (10 * current_setting('lockstep.scale')::float)::int);""",
    }
    return read(write(tmp_path / "small", {"001": "ALTER TABLE people ADD COLUMN age integer;"}, files=files))


@pytest.fixture
def source(server: EmbeddedServer, database_each: str) -> Iterator[str]:
    """A database with a schema of many kinds, whose connecting role is an ordinary one."""
    yield from made(server, database_each)


def made(server: EmbeddedServer, database: str) -> Iterator[str]:
    name = Dsn(database).get("dbname")
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        for role in ROLES:
            admin.execute(f"CREATE ROLE {quoted(role)}".encode())
    execute(
        server.dsn(),
        "ALTER ROLE places_owner LOGIN CREATEROLE PASSWORD 'secret' NOINHERIT",
        'ALTER ROLE places_owner SET search_path TO app, "$user"',
        "ALTER ROLE places_app LOGIN BYPASSRLS",
        "GRANT places_app TO places_owner WITH ADMIN OPTION",
        "GRANT pg_read_all_data TO places_owner",
        f"ALTER DATABASE {name} OWNER TO places_owner",
        f"ALTER DATABASE {name} SET app.note TO 'here'",
        f"ALTER ROLE places_app IN DATABASE {name} SET work_mem TO '5MB'",
        f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC",
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    try:
        yield str(Dsn(database).with_(user="places_owner"))
    finally:
        execute(database, "DROP SUBSCRIPTION IF EXISTS never")
        server.drop_database(str(name))
        execute(server.dsn(), *(f"DROP ROLE {quoted(role)}" for role in ROLES))


def quoted(role: str) -> str:
    return '"' + role.replace('"', '""') + '"'


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[EmbeddedServer]:
    """Every server of a place that was made in this test."""
    made: list[EmbeddedServer] = []

    class Noted(EmbeddedServer):
        def start(self) -> None:
            made.append(self)
            super().start()

    monkeypatch.setattr(place_embedded, "EmbeddedServer", Noted)
    return made


def mode(directory: Path) -> int | None:
    """None where it is gone."""
    return stat.S_IMODE(directory.stat().st_mode) if directory.exists() else None


class TestFixture:
    @pytest.mark.parametrize("major", MAJORS)
    async def test_each_fresh_copy_is_the_fixture(self, book: Runbook, major: int) -> None:
        told: list[str] = []
        async with on_fixture(book, scale=0.5, major=major, told=told.append) as place:
            assert place.where.startswith(f"the fixture, on an embedded PostgreSQL {major}.")
            assert (place.kind, place.has_data) == ("fixture", True)
            first = str(await place.fresh())
            before = rows(first, "SELECT rolname, rolcreatedb FROM pg_roles")
            execute(
                first,
                "DROP TABLE people",
                "CREATE ROLE made_by_step CREATEROLE",
                "GRANT made_by_step TO fixture_role",
                "ALTER ROLE fixture_role CREATEDB",
                "ALTER ROLE fixture_role SET work_mem TO '2MB'",
                "ALTER DATABASE app SET app.note TO 'x'",
                "CREATE DATABASE made_by_step",
            )
            async with session(first):
                second = str(await place.fresh())
            assert rows(second, "SELECT count(*), current_setting('app.note', true) FROM people") == [(5, None)]
            assert rows(second, "SELECT rolname, rolcreatedb FROM pg_roles") == before
            assert one(second, "SELECT count(*) FROM pg_database WHERE datname = 'made_by_step'") == 0
            assert one(second, "SELECT count(*) FROM pg_db_role_setting") == 0
            execute(second, "DROP ROLE fixture_role")
            third = str(await place.fresh())
            assert one(third, "SELECT count(*) FROM pg_roles WHERE rolname = 'fixture_role'") == 1
            owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'people'"
            execute(third, "ALTER ROLE fixture_owner RENAME TO another", "ALTER SYSTEM SET work_mem TO '3MB'")
            fourth = str(await place.fresh())
            assert (one(fourth, owner), one(fourth, "SHOW work_mem")) == ("fixture_owner", "4MB")
            # Nothing but what a step sees depends on a role.
            execute(fourth, "ALTER TABLE people OWNER TO postgres", "DROP ROLE fixture_owner")
            assert one(str(await place.fresh()), owner) == "fixture_owner"
            directory = Path(str(Dsn(first).get("host")))
        assert mode(directory) is None
        assert told[1:] == ["loads the fixture: 001.sql", "loads the fixture: 002.sql"]

    async def test_one_that_does_not_load(self, book: Runbook, tmp_path: Path, started: list[EmbeddedServer]) -> None:
        (tmp_path / "small" / "fixture" / "003.sql").write_text("\nINSERT INTO nowhere VALUES (1);\n")
        with pytest.raises(PlaceFailed, match=r'003\.sql:2: relation "nowhere" does not exist'):
            await on_fixture(book, told=lambda _: None).__aenter__()
        assert [mode(server.directory) for server in started] == [None]

    async def test_none_and_no_such_server(self, book: Runbook, tmp_path: Path) -> None:
        with pytest.raises(PlaceFailed, match="there is no PostgreSQL 13 on this machine"):
            await on_fixture(book, major=13, told=lambda _: None).__aenter__()
        bare = read(write(tmp_path / "bare", {"001": "SELECT 1;"}))
        with pytest.raises(PlaceFailed, match="bare has no fixture"):
            await on_fixture(bare, told=lambda _: None).__aenter__()

    async def test_cancelled_while_it_begins(self, book: Runbook, started: list[EmbeddedServer]) -> None:
        for awaited in ("starts", "001.sql", "002.sql"):
            seen = asyncio.Event()
            place = on_fixture(book, told=partial(self.notice, awaited, seen))
            beginning = asyncio.create_task(place.__aenter__())
            await seen.wait()
            beginning.cancel()
            with pytest.raises(asyncio.CancelledError):
                await beginning
        assert [mode(server.directory) for server in started] == [None] * 3

    def notice(self, awaited: str, seen: asyncio.Event, line: str) -> None:
        if awaited in line:
            seen.set()


class TestLike:
    async def test_the_schema_comes_as_it_is(
        self, server: EmbeddedServer, source: str, book: Runbook, pg_dump: PgDump
    ) -> None:
        told: list[str] = []
        name = Dsn(source).get("dbname")
        admin = server.dsn(str(name))
        async with on_like(Dsn(source), book, told=told.append) as place:
            assert (
                place.where
                == f"the schema of {name} on localhost:5432, on an embedded PostgreSQL {server.installation.version}"
            )
            assert (place.kind, place.has_data) == ("like", False)
            for _ in range(2):
                fresh = await place.fresh()
                dsn = str(fresh)
                assert (fresh.get("dbname"), fresh.get("user")) == (name, "places_owner")
                inside = str(fresh.with_(user="postgres"))
                arguments = ("--schema-only", "--exclude-schema=lockstep", "--no-subscriptions", "--create")
                assert pg_dump(inside, *arguments) == pg_dump(admin, *arguments)
                about = """SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication,
                           rolbypassrls, rolconfig
                           FROM pg_roles WHERE rolname ~* '^(places|postgres)' ORDER BY 1"""
                assert rows(inside, about) == rows(admin, about)
                memberships = """SELECT roleid::regrole::text, member::regrole::text, admin_option FROM pg_auth_members
                                 ORDER BY 1, 2"""
                assert rows(inside, memberships) == rows(admin, memberships)
                assert one(inside, "SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL") == 0
                assert one(inside, "SELECT count(*) FROM pg_roles WHERE rolname = 'places_app' AND rolcanlogin") == 0
                assert one(inside, "SELECT count(*) FROM pg_subscription") == 0
                assert one(inside, "SELECT to_regnamespace('lockstep') IS NULL") is True
                assert one(dsn, "SHOW search_path") == 'app, "$user"'
                assert one(dsn, "SHOW app.note") == "here"
                assert one(dsn, "SELECT count(*) FROM people") == 0
                # The same rights as over there: neither may it do this.
                for here in (dsn, source):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        execute(here, "CREATE PUBLICATION p FOR ALL TABLES")
                execute(dsn, "DROP TABLE people CASCADE", "CREATE ROLE made_by_step")
            directory = Path(str(fresh.get("host")))
            assert mode(directory) == 0o700
        assert mode(directory) is None
        assert one(admin, "SELECT count(*) FROM app.people") == 1
        assert [line for line in told if "own functions" not in line] == [
            "left out: 1 subscription",
            f"dumps the schema of {name} on localhost:5432",
            f"starts PostgreSQL {server.installation.version}, and loads the schema",
        ]

    async def test_from_15_to_18(self, servers: Servers, book: Runbook, pg_dump: PgDump) -> None:
        oldest = min(installations(), key=lambda one: one.major)
        old = servers.get(oldest)
        database = old.create_database("places_old")
        execute(old.dsn(), "ALTER DATABASE places_old SET temp_tablespaces TO ''")
        for source in made(old, database):
            told: list[str] = []
            async with on_like(Dsn(source), book, major=18, told=told.append) as place:
                fresh = await place.fresh()
                assert "on an embedded PostgreSQL 18." in place.where
                assert one(str(fresh), "SELECT current_user") == "places_owner"
                assert str(one(str(fresh), "SHOW server_version")).startswith("18.")
                assert one(str(fresh), "SELECT count(*) FROM glad") == 0
                relations = "SELECT relname FROM pg_class WHERE relnamespace = 'app'::regnamespace ORDER BY 1"
                assert rows(str(fresh), relations) == rows(source, relations)
                assert [line for line in told if line.startswith("not carried")] == [
                    "not carried over: the setting temp_tablespaces of the database (another server cannot have it)"
                ]

    async def test_where_postgres_is_nobody_special(self, book: Runbook) -> None:
        """As with those who rent servers out: the cluster belongs to a role of theirs."""
        with EmbeddedServer(superuser="the landlord") as server:
            execute(
                server.dsn(),
                "CREATE ROLE postgres LOGIN CREATEROLE CREATEDB",
                "ALTER DATABASE postgres OWNER TO postgres",
                "ALTER ROLE ALL SET default_transaction_read_only TO on",
                "ALTER ROLE postgres SET default_transaction_read_only TO off",
                "GRANT pg_read_all_data TO postgres",
            )
            source = Dsn(server.dsn("postgres", "postgres"))
            execute(str(source), "CREATE TABLE people (id integer)")
            async with on_like(source, book, told=lambda _: None) as place:
                for _ in range(2):
                    fresh = str(await place.fresh())
                    about = """SELECT rolname, rolsuper, rolcreaterole, rolcanlogin FROM pg_roles
                               WHERE rolname !~ '^pg_' ORDER BY 1"""
                    assert rows(fresh, about) == [("postgres", False, True, True), ("the landlord", True, True, True)]
                    assert (
                        one(
                            fresh,
                            "SELECT current_user || pg_get_userbyid(datdba) || datname FROM pg_database "
                            "WHERE datname = current_database()",
                        )
                        == "postgrespostgrespostgres"
                    )
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        execute(fresh, "CREATE ROLE special SUPERUSER")

    async def test_whose_rights_the_functions_have(
        self, database: str, book: Runbook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for runs_as, said in (("dba1", ["the schema's own functions run here, with the rights of dba1"]), (None, [])):
            told: list[str] = []
            monkeypatch.setattr(place_like, "server_user", partial(lambda name: name, runs_as))
            async with on_like(Dsn(database), book, told=told.append) as place:
                await place.fresh()
                await place.fresh()
            assert [line for line in told if "own functions" in line] == said

    async def test_of_a_template(self, server18: EmbeddedServer, book: Runbook) -> None:
        async with on_like(Dsn(server18.dsn("template1")), book, told=lambda _: None) as place:
            for _ in range(2):
                assert one(str(await place.fresh()), "SELECT current_database()") == "template1"

    async def test_where_the_superuser_works_as_another_role(self, book: Runbook) -> None:
        with EmbeddedServer() as server:
            execute(
                server.dsn(),
                "CREATE ROLE places_worker IN ROLE pg_read_all_data",
                "CREATE TABLE people (id integer)",
                "ALTER ROLE postgres SET role TO places_worker",
            )
            async with on_like(Dsn(server.dsn()), book, told=lambda _: None) as place:
                for _ in range(2):
                    fresh = str(await place.fresh())
                    assert one(fresh, "SELECT current_user || session_user") == "places_workerpostgres"
                    assert (
                        one(fresh, "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'people'")
                        == "postgres"
                    )

    async def test_from_a_standby(self, server18: EmbeddedServer, database: str, book: Runbook) -> None:
        execute(database, "CREATE TABLE people (id integer)")
        with standby(server18) as replica:
            name = str(Dsn(database).get("dbname"))
            await until_true(replica.dsn(name), "SELECT to_regclass('people') IS NOT NULL")
            async with on_like(Dsn(replica.dsn(name)), book, told=lambda _: None) as place:
                assert one(str(await place.fresh()), "SELECT count(*) FROM people") == 0

    async def test_text_of_another_kind(self, server18: EmbeddedServer, book: Runbook) -> None:
        execute(
            server18.dsn(),
            "CREATE DATABASE places_latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
            "CREATE DATABASE places_builtin TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'",
        )
        try:
            for name, encoding, provider in (("places_latin", "LATIN1", "c"), ("places_builtin", "UTF8", "b")):
                dsn = Dsn(server18.dsn(name))
                execute(
                    str(dsn.with_(client_encoding="UTF8")),
                    'CREATE TABLE "Müller" (id integer)',
                    "COMMENT ON TABLE \"Müller\" IS 'größer'",
                )
                async with on_like(dsn, book, told=lambda _: None) as place:
                    fresh = str((await place.fresh()).with_(client_encoding="UTF8"))
                    assert one(fresh, """SELECT obj_description('"Müller"'::regclass)""") == "größer"
                    about = (
                        "SELECT pg_encoding_to_char(encoding), datlocprovider::text FROM pg_database WHERE datname = "
                    )
                    assert rows(fresh, f"{about} current_database()") == [(encoding, provider)]
        finally:
            server18.drop_database("places_latin")
            server18.drop_database("places_builtin")

    async def test_back_to_an_older_major(self, database: str, book: Runbook) -> None:
        with pytest.raises(PlaceFailed, match=r"is PostgreSQL 18: its schema cannot go back to 16"):
            await on_like(Dsn(database), book, major=16, told=lambda _: None).__aenter__()

    async def test_where_the_migration_began(self, database: str, book: Runbook) -> None:
        execute(database, "CREATE TABLE people (id integer PRIMARY KEY)")
        async with opened(book, database) as live:
            assert await live.to_end() == 0
        with pytest.raises(PlaceFailed, match="its ledger says that 001 ran there"):
            await on_like(Dsn(database), book, told=lambda _: None).__aenter__()

    async def test_a_role_that_may_not_read(self, database: str, book: Runbook) -> None:
        execute(database, "CREATE ROLE places_poor LOGIN", "CREATE TABLE closed (n integer)")
        try:
            with pytest.raises(PlaceFailed, match=r"permission denied for table closed.*GRANT pg_read_all_data TO it"):
                await on_like(Dsn(database).with_(user="places_poor"), book, told=lambda _: None).__aenter__()
        finally:
            execute(database, "DROP ROLE places_poor")

    async def test_what_reaches_other_servers_stays_behind(self, servers: Servers, book: Runbook) -> None:
        contrib = [one for one in installations() if one.source == "system" and "postgres_fdw" in extensions(one)]
        if not contrib:
            pytest.skip("no system PostgreSQL with contrib on this machine")
        server = servers.get(contrib[0])
        dsn = server.create_database("places_contrib")
        try:
            execute(
                dsn,
                "CREATE EXTENSION hstore",
                "CREATE EXTENSION postgres_fdw",
                "CREATE TABLE kept (h hstore)",
                "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '192.0.2.1')",
                "CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'x', password 'hidden')",
                "CREATE FOREIGN TABLE far_away (n integer) SERVER far",
            )
            told: list[str] = []
            async with on_like(Dsn(dsn), book, told=told.append) as place:
                fresh = str(await place.fresh())
                assert f"PostgreSQL {contrib[0].version}" in place.where
                assert one(fresh, "SELECT 'a=>1'::hstore -> 'a'") == "1"
                assert one(fresh, "SELECT count(*) FROM pg_user_mapping") == 0
                with pytest.raises(psycopg.errors.UndefinedObject, match="user mapping not found"):
                    one(fresh, "SELECT count(*) FROM far_away")
            assert "left out: 1 user mapping, so that no other server is reached" in told
            lacking = r"uses the extensions hstore, postgres_fdw, which PostgreSQL 18 .*Homebrew"
            with pytest.raises(PlaceFailed, match=lacking) as caught:
                await on_like(Dsn(dsn), book, major=18, told=lambda _: None).__aenter__()
            assert "postgresql-15" in str(caught.value)
        finally:
            server.drop_database("places_contrib")

    async def test_an_object_that_cannot_be_made_here(
        self, servers: Servers, book: Runbook, started: list[EmbeddedServer]
    ) -> None:
        contrib = [one for one in installations() if one.source == "system" and "hstore" in extensions(one)]
        if not contrib:
            pytest.skip("no system PostgreSQL with contrib on this machine")
        server = servers.get(contrib[0])
        dsn = server.create_database("places_refused")
        try:
            execute(
                dsn,
                "CREATE FUNCTION strange(internal) RETURNS internal LANGUAGE c AS '$libdir/hstore', 'hstore_in'",
                "COMMENT ON FUNCTION strange(internal) IS 'x'",
            )
            refused = r"on PostgreSQL 18\S+: function public\.strange\(internal\): could not"
            with pytest.raises(PlaceFailed, match=refused) as caught:
                await on_like(Dsn(dsn), book, major=18, told=lambda _: None).__aenter__()
            assert "Rehearse on a clone" in str(caught.value)
            assert [mode(server.directory) for server in started] == [None]
        finally:
            server.drop_database("places_refused")
