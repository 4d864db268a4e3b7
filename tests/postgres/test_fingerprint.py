"""The fingerprint of real databases: complete, the same after a restore, and honest about what it did not read."""

import re
from pathlib import Path

import psycopg
import pytest
from conftest import PgDump, Psql
from fingerprint_world import ROLES, fingerprint, prepare, statements
from hypothesis import given
from hypothesis import strategies as st

from tui.engine.differences import compare
from tui.paths import sql_root
from tui.postgres.catalog_queries import COLUMN
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.fingerprint import CatalogObject, Fingerprint, take
from tui.postgres.one_form import one_form
from tui.postgres.queries import load
from tui.postgres.session import Dsn, PgSession
from tui.postgres.table_data import SequencePosition, TableData

FILES = sorted((sql_root() / "fingerprint").rglob("*.sql"))
# Catalogs of a database that no file reads, and why.
NOT_READ = {
    "pg_attrdef": "read through pg_get_expr",
    "pg_largeobject": "the pages of large objects, which are counted",
    "pg_partitioned_table": "read through pg_get_partkeydef",
    "pg_statistic": "what ANALYZE found, not what anyone made",
    "pg_statistic_ext_data": "what ANALYZE found, not what anyone made",
    "pg_subscription_rel": "how far a subscription has come, table by table",
    "pg_user_mapping": "read through the view pg_user_mappings, which hides passwords",
    # Shared by all databases of the server.
    "pg_auth_members": "roles are the server's",
    "pg_authid": "roles are the server's",
    "pg_parameter_acl": "grants on parameters are the server's",
    "pg_replication_origin": "the server's",
    "pg_shdepend": "read from the other side: owners and grants",
    "pg_tablespace": "tablespaces are the server's",
}


class TestComplete:
    def test_every_catalog_is_read_or_named(self, server: EmbeddedServer) -> None:
        text = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
        with psycopg.connect(server.dsn()) as connection:
            catalogs = {
                name
                for (name,) in connection.execute(
                    "SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'"
                )
            }
        read = {name for name in catalogs if re.search(rf"\b(?:FROM|JOIN) {name}\b", text)}
        assert read >= {"pg_class", "pg_attribute", "pg_policy", "pg_seclabel", "pg_transform"}
        assert catalogs - read - NOT_READ.keys() == set()

    @pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
    def test_every_fact_of_a_file_is_read(self, server: EmbeddedServer, path: Path) -> None:
        """The columns are found in the text: they must be those that the server gives."""
        major = path.stem.partition("@")[2]
        if int(major or 0) > server.major or path.parent.name == "data":
            pytest.skip("not for this server, or not read by its text")
        text = path.read_text(encoding="utf-8")
        found = [one.strip('"') for one in COLUMN.findall(text.partition("\nFROM ")[0])]
        with psycopg.connect(server.dsn()) as connection:
            description = connection.execute(text.encode()).description
        assert description is not None
        assert found == [column.name for column in description]


class TestRestored:
    async def test_nothing_differs(
        self, server: EmbeddedServer, database_each: str, psql: Psql, pg_dump: PgDump, tmp_path: Path
    ) -> None:
        prepare(server.dsn())
        psql(database_each, statements(server.major))
        script = tmp_path / "dump.sql"
        # The client is newer than the server, and sets what that does not know.
        script.write_text(pg_dump(database_each).replace("SET transaction_timeout = 0;", ""), encoding="utf-8")
        name = f"{Dsn(database_each).get('dbname')}_restored"
        restored = server.create_database(name, template="template0")
        try:
            psql(restored, script)
            before, after = await fingerprint(database_each, "whole"), await fingerprint(restored, "whole")
        finally:
            server.drop_database(name)
        assert compare(before, after) == ()
        assert before.text() == after.text()
        assert before.sha256 == after.sha256
        assert Fingerprint.parse(before.text()) == before
        kinds = {one.kind for one in before.objects}
        assert len(kinds) >= 45 - (server.major < 18), kinds

    async def test_expressions_that_a_restore_prints_otherwise(
        self, database: str, psql: Psql, pg_dump: PgDump
    ) -> None:
        """It is the server that changes them: what ``one_form`` is for."""
        psql(
            database,
            "CREATE TABLE t (a varchar(9), x int, y int, CONSTRAINT c CHECK (a IN ('p,q', 'it''s (r)') "
            "AND (x BETWEEN 1 AND 2 AND y = 1 OR x = 3 OR y = 4)))",
        )
        printed = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'c'"
        first = psql(database, printed)
        psql(database, f"ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c {first}")
        second = psql(database, printed)
        assert first != second
        assert one_form(first) == one_form(second) == second


class TestPrinted:
    """What the files make up themselves, for speed, is what the server would print."""

    ODD = """
        CREATE TABLE dev.odd (
            a int CHECK (a > 0) NO INHERIT, b text, v varchar(9), e dev.mood, c char(3), n name, l int[],
            "Q x" int UNIQUE, d timestamptz, r numeric UNIQUE DEFERRABLE, UNIQUE (a) INCLUDE (b), UNIQUE (a, b)
        );
        CREATE UNIQUE INDEX ON dev.odd (a); CREATE UNIQUE INDEX ON dev.odd (a, b);
        CREATE INDEX ON dev.odd (v) WHERE a > 1; CREATE INDEX ON dev.odd (e); CREATE INDEX ON dev.odd (c);
        CREATE INDEX ON dev.odd (n); CREATE INDEX ON dev.odd (l); CREATE INDEX ON dev.odd (b text_pattern_ops);
        CREATE INDEX ON dev.odd (v varchar_pattern_ops); CREATE INDEX ON dev.odd (v bpchar_ops);
        CREATE INDEX ON dev.odd (v varchar_ops); CREATE INDEX ON dev.odd (lower(b));
        CREATE INDEX ON dev.odd (b COLLATE "C"); CREATE INDEX ON dev.odd (a DESC);
        CREATE INDEX ON dev.odd (a NULLS FIRST); CREATE INDEX ON dev.odd (d) INCLUDE (a);
        CREATE INDEX ON dev.odd USING hash (a); CREATE INDEX ON dev.odd ("Q x") WITH (fillfactor = 50);
        CREATE INDEX ON dev.odd (r) WHERE b = 'x' AND a IN (1, 2);
        CREATE UNIQUE INDEX ON dev.odd (d) NULLS NOT DISTINCT;
        CREATE TABLE dev.two (a int, b int UNIQUE NULLS NOT DISTINCT, PRIMARY KEY (a, b));
        CREATE TABLE dev.keys (
            a int REFERENCES dev.odd ("Q x") ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE,
            b int REFERENCES dev.odd ("Q x") MATCH FULL ON DELETE RESTRICT,
            c int, d int, FOREIGN KEY (c, d) REFERENCES dev.two MATCH FULL ON DELETE SET DEFAULT ON UPDATE RESTRICT,
            FOREIGN KEY (d, c) REFERENCES dev.two ON DELETE SET NULL (d)
        );
        ALTER TABLE dev.keys ADD CHECK (a > 1 AND b IN (1, 2)) NOT VALID;
    """

    async def test_it_is_what_the_server_prints(self, server: EmbeddedServer, database_each: str, psql: Psql) -> None:
        prepare(server.dsn())
        psql(database_each, statements(server.major) + self.ODD)
        constraint = """
            SELECT concat(
                x.definition, ' MATCH ' || x.match, ' ON UPDATE ' || x."on update", ' ON DELETE ' || x."on delete",
                CASE WHEN x.deferrability IS NOT NULL THEN ' DEFERRABLE' END,
                CASE WHEN x.deferrability LIKE '%% deferred' THEN ' INITIALLY DEFERRED' END,
                CASE WHEN x.enforcement = 'off (NOT ENFORCED)' THEN ' NOT ENFORCED' END,
                CASE WHEN x.validity IS NOT NULL THEN ' NOT VALID' END
            ), pg_get_constraintdef(split_part(x.address, ' ', 2)::oid)
        """
        index = "SELECT x.definition, pg_get_indexdef(split_part(x.address, ' ', 2)::oid)"
        with psycopg.connect(database_each) as connection:
            connection.execute("SET search_path = ''")
            for select, name, number in ((constraint, "constraints", 25), (index, "indexes", 25)):
                query = load(f"fingerprint/objects/{name}", connection.info.server_version).decode()
                text = f"{select} FROM ({query}) AS x WHERE x.definition IS NOT NULL"
                rows = connection.execute(text.encode()).fetchall()
                assert len(rows) >= number
                assert [ours for ours, _ in rows] == [theirs for _, theirs in rows]


class TestText:
    LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))
    WORD = st.text("abcdefgh xyz", min_size=1).filter(lambda text: text == text.strip() and text not in ("on", "rows"))
    VALUE = st.text(st.characters(exclude_categories=["Cs"]))
    OBJECT = st.builds(
        CatalogObject, WORD, LINE, LINE, st.lists(st.tuples(WORD, VALUE), unique_by=lambda fact: fact[0]).map(tuple)
    )
    CHECKSUM = st.text("0123456789abcdef", min_size=16, max_size=16)
    TABLE = st.one_of(
        st.builds(TableData, LINE, st.just("unread"), why=LINE),
        st.builds(
            TableData,
            LINE,
            st.sampled_from(["whole", "ends"]),
            st.one_of(st.none(), st.integers(0)),
            CHECKSUM,
            st.lists(st.tuples(LINE, CHECKSUM)).map(tuple),
        ),
    )
    SEQUENCE = st.one_of(
        st.builds(SequencePosition, LINE, st.none(), st.integers(), LINE),
        st.builds(SequencePosition, LINE, st.integers(), st.integers()),
    )

    @given(
        st.builds(
            Fingerprint.of,
            st.lists(OBJECT).map(tuple),
            st.lists(TABLE).map(tuple),
            st.lists(SEQUENCE).map(tuple),
            st.sampled_from(["none", "whole", "sampled"]),
        )
    )
    def test_what_is_written_is_read(self, one: Fingerprint) -> None:
        assert Fingerprint.parse(one.text()) == one

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("", "line 1: not a fingerprint"),
            ("lockstep fingerprint 2, rows: none\n", "line 1: not a fingerprint"),
            ("lockstep fingerprint 1, rows: some\n", "line 1: not a fingerprint"),
            ("lockstep fingerprint 1, rows: none\n  owner: x\n", "line 2: a fact of no object"),
            ("lockstep fingerprint 1, rows: none\ntable: t\nnonsense\n", "line 3: neither"),
            ("lockstep fingerprint 1, rows: none\ntable: t\n    |x\n", "line 3: neither"),
            (
                "lockstep fingerprint 1, rows: whole\ntable: t\nrows: t\n  read: half\n",
                "line 3: not what is said of rows",
            ),
            ("lockstep fingerprint 1, rows: whole\nnext number: s\n  next: 1\n", "line 2: not what is said of next"),
        ],
    )
    def test_what_is_no_fingerprint_is_told_with_its_line(self, text: str, line: str) -> None:
        with pytest.raises(ValueError, match=re.escape(line)):
            Fingerprint.parse(text)


async def test_two_sessions_see_one_snapshot(server: EmbeddedServer, database_each: str, psql: Psql) -> None:
    prepare(server.dsn())
    psql(database_each, statements(server.major))
    dsn = Dsn(database_each)
    async with (
        await PgSession.open(dsn, application_name="test") as session,
        await PgSession.open(dsn, application_name="test") as beside,
    ):
        assert await take(session, data="whole", beside=beside) == await take(session, data="whole")
        psql(database_each, "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        await beside.execute("ALTER TABLE dev.cache SET (fillfactor = 50)")
        assert await take(beside, beside=session) == await take(session)


async def test_settings_of_the_database_do_not_change_it(database: str, psql: Psql) -> None:
    psql(
        database,
        "CREATE TABLE t (at timestamptz DEFAULT '2020-01-01', i interval, f float8, b bytea, m money);"
        "INSERT INTO t VALUES ('2020-01-01', '1 day 2 hours', 0.1, '\\x01', 3)",
    )
    before = await fingerprint(database, "whole")
    settings = {
        "DateStyle": "'SQL, DMY'", "TimeZone": "'Asia/Tokyo'", "IntervalStyle": "iso_8601", "extra_float_digits": "-5",
        "bytea_output": "escape", "search_path": "public", "quote_all_identifiers": "on",
    }  # fmt: skip
    name = Dsn(database).get("dbname")
    for setting, value in settings.items():
        psql(database, f"ALTER DATABASE {name} SET {setting} = {value}")
    after = await fingerprint(database, "whole")
    assert [one for one in after.objects if one.kind != "setting"] == list(before.objects)
    assert after.data == before.data


async def test_what_is_ours_temporary_or_an_extensions_is_left_out(database: str, psql: Psql) -> None:
    before = await fingerprint(database, "whole")
    psql(
        database,
        "CREATE SCHEMA lockstep; CREATE TABLE lockstep.act (id serial PRIMARY KEY); COMMENT ON SCHEMA lockstep IS 'x';"
        "CREATE FUNCTION lockstep.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE lockstep.e AS ENUM ('a');"
        "CREATE TABLE public.member (a integer); ALTER EXTENSION plpgsql ADD TABLE public.member;",
    )
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("CREATE TEMP TABLE passing (a serial PRIMARY KEY)")
        assert await fingerprint(database, "whole") == before


async def test_hostile_names_and_texts(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute('CREATE TABLE "a\x1b[31m\nb" ("x: y\u202e" text DEFAULT $$\x1b]0;z\x07$$)')
        connection.execute('CREATE TABLE "a\x1b[32m\nb" (a int)')
        connection.execute("COMMENT ON TABLE \"a\x1b[32m\nb\" IS E'one\x1b\\n\x01on=forged'")
    one = await fingerprint(database, "whole")
    assert all(character.isprintable() or character == "\n" for character in one.text())
    assert Fingerprint.parse(one.text()) == one
    assert len({table.name for table in one.objects if table.kind == "table"}) == 2
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("COMMENT ON TABLE \"a\x1b[32m\nb\" IS E'one\x1c\\n\x01on=forged'")
    assert [difference.rank for difference in compare(one, await fingerprint(database, "whole"))] == ["changed"]


class TestRows:
    async def words(self, before: Fingerprint, database: str, whole_up_to: int = 100_000) -> list[str]:
        reading = before.reading
        return [one.words for one in compare(before, await fingerprint(database, reading, whole_up_to))]

    async def test_each_difference_is_named(self, database: str, psql: Psql) -> None:
        psql(
            database,
            "CREATE TABLE t (id int PRIMARY KEY, a text, b text);"
            "INSERT INTO t SELECT n, 'a' || n, CASE WHEN n > 1 THEN 'b' END FROM generate_series(1, 9) n",
        )
        before = await fingerprint(database, "whole")
        psql(database, "UPDATE t SET a = a WHERE id < 4")
        assert await self.words(before, database) == []
        psql(database, "UPDATE t SET b = '' WHERE b IS NULL")
        assert await self.words(before, database) == ["values in public.t.b are not the same"]
        psql(database, "UPDATE t SET b = NULL WHERE b = ''; UPDATE t SET a = 'a' || (10 - id)")
        assert await self.words(before, database) == ["rows of public.t have the same values in other combinations"]
        psql(database, "DELETE FROM t WHERE id < 3")
        assert await self.words(before, database) == ["public.t has 2 rows less (7, was 9)"]

    async def test_the_order_of_columns_is_no_change_of_rows(self, database: str, psql: Psql) -> None:
        psql(database, "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL)")
        before = await fingerprint(database, "whole")
        psql(
            database,
            "CREATE TABLE n (b text, a int); INSERT INTO n SELECT b, a FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t",
        )
        assert await self.words(before, database) == ["columns of public.t stand in another order: b, a; it was a, b"]

    async def test_values_that_are_nearly_the_same(self, database: str, psql: Psql) -> None:
        """Their types have them equal, or their hashes do; what is printed of them differs."""
        values = {
            "numeric": ("1.0", "1.00"), "float8": ("0", "-0"), "bpchar": ("a", "a "), "interval": ("1 mon", "30 days"),
            "bigint": ("1", "4294967296"), "timestamp": ("2000-01-01 00:00:00.000001", "2000-01-01 01:11:34.967296"),
            "jsonb": ('{"a": 1.0}', '{"a": 1.00}'), "text": ("", "NULL"), "dev.blank": ("", "NULL"),
            "dev.row": ("(,)", "NULL"), "dev.many": ("empty", "NULL"), "boolean": ("t", "f"),
            "smallint": ("1", "-1"), "uuid": ("0" * 32, "NULL"),
            "text[]": ("{NULL}", '{"NULL"}'), "bytea": ("\\x00", "\\x0000"), "date": ("infinity", "-infinity"),
            "char(3)": ("a", "NULL"), "integer": ("-2147483648", "2147483647"),
        }  # fmt: skip
        psql(
            database,
            "CREATE SCHEMA dev; CREATE DOMAIN dev.blank AS text; CREATE TYPE dev.row AS (a int, b text);"
            "CREATE TYPE dev.many AS RANGE (subtype = int4)",
        )
        columns = ", ".join(f"c{number} {type_}" for number, type_ in enumerate(values))
        psql(database, f"CREATE TABLE t ({columns}); INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES")

        def set_to(which: int) -> str:
            literals = [pair[which] if pair[which] == "NULL" else f"'{pair[which]}'" for pair in values.values()]
            return "UPDATE t SET " + ", ".join(f"c{number} = {one}" for number, one in enumerate(literals))

        psql(database, set_to(0))
        before = await fingerprint(database, "whole")
        psql(database, set_to(1))
        told = [f"values in public.t.c{number} are not the same" for number in range(len(values))]
        assert sorted(await self.words(before, database)) == sorted(told)

    async def test_a_sequence_differs_by_a_step_back_alone(self, database: str, psql: Psql) -> None:
        psql(
            database,
            "CREATE SEQUENCE s; CREATE SEQUENCE d INCREMENT -1; SELECT nextval('s') FROM generate_series(1, 9)",
        )
        before = await fingerprint(database, "whole")
        psql(database, "SELECT nextval('s'), nextval('d')")
        assert await self.words(before, database) == []
        psql(database, "SELECT setval('s', 5)")
        assert await self.words(before, database) == [
            "sequence public.s went back: it gives 6 next, and had come to 10"
        ]

    async def test_large_tables_are_read_at_their_ends(self, database: str, psql: Psql) -> None:
        psql(
            database,
            "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT n, n FROM generate_series(1, 5000) n;"
            "CREATE TABLE k AS SELECT * FROM t; CREATE TABLE small AS SELECT 1 AS a",
        )
        before = await fingerprint(database, "sampled", 3000)
        assert {one.table: one.how for one in before.data} == {
            "public.k": "unread", "public.small": "whole", "public.t": "ends"
        }  # fmt: skip
        unread = "rows of public.k were not compared: too large to be read whole, and without a primary key"
        psql(database, "UPDATE t SET a = 0 WHERE id = 2500")
        assert await self.words(before, database, whole_up_to=3000) == [unread]
        psql(database, "UPDATE t SET a = 0 WHERE id = 4999")
        changed = "values in public.t.a are not the same (in its first or last 1,000 rows)"
        assert await self.words(before, database, whole_up_to=3000) == [unread, changed]

    async def test_what_may_not_be_read_is_told(self, server18: EmbeddedServer, database: str, psql: Psql) -> None:
        prepare(server18.dsn())
        psql(
            database,
            f"ALTER ROLE {ROLES[2]} LOGIN; CREATE TABLE hidden (a int); CREATE TABLE secured (a int);"
            f"CREATE SEQUENCE s; INSERT INTO secured VALUES (1); GRANT SELECT ON secured TO {ROLES[2]};"
            "ALTER TABLE secured ENABLE ROW LEVEL SECURITY",
        )
        mine, theirs = await fingerprint(database, "whole"), await fingerprint(database, "whole", user=ROLES[2])
        expected = [
            "rows of public.hidden were not compared: no right to read it",
            "the position of sequence public.s was not compared: no right to read it",
            "rows of public.secured were not compared: row security hides rows from this role",
        ]
        assert [one.words for one in compare(mine, theirs)] == expected
        # Not read both times is not identical either.
        assert [one.words for one in compare(theirs, theirs)] == expected


async def test_subscriptions_with_their_connection_as_a_hash(
    server: EmbeddedServer, database_each: str, psql: Psql
) -> None:
    psql(
        database_each,
        "CREATE SUBSCRIPTION s CONNECTION 'dbname=x password=topsecret' PUBLICATION p"
        " WITH (connect = false, slot_name = NONE)",
    )
    try:
        before = await fingerprint(database_each)
        assert "topsecret" not in before.text()
        psql(database_each, "ALTER SUBSCRIPTION s CONNECTION 'dbname=y'; ALTER SUBSCRIPTION s SET (binary = true)")
        assert [one.words for one in compare(before, await fingerprint(database_each))] == [
            "subscription s: binary was false, is true",
            "subscription s: connection changed",
        ]
    finally:
        psql(database_each, "DROP SUBSCRIPTION s")
