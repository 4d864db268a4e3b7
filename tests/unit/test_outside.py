"""Which statements run outside a transaction, which belong to the session, and what they would leave, by their tokens.

pglast, the server's own parser as a library, is the oracle for names and strings.
"""

from typing import Any

import pglast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.runbook.names import Name, Reader, quoted
from tui.runbook.outside import (
    AddValue,
    CreateDatabase,
    CreateIndex,
    Detach,
    DropDatabase,
    DropIndex,
    Effect,
    Other,
    Reindex,
    Repeatable,
    effect,
    makes_temporary,
    needs_own,
    sets_session,
)
from tui.runbook.statements import Statement, split

bounded = settings(max_examples=200, deadline=None)


def one(sql: str) -> Statement:
    (statement,) = split(sql)
    return statement


def made(index: str | None, table: str, *columns: str | None, **more: Any) -> CreateIndex:
    schema, _, name = table.rpartition(".")
    given: dict[str, Any] = {
        "method": "btree",
        "unique": False,
        "partial": False,
        "concurrently": True,
        "if_not_exists": False,
    }
    return CreateIndex(index, Name(schema or None, name), columns, **given | more)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("create /* x */ index concurrently i on t (a)", True),
        ('CREATE INDEX "CONCURRENTLY" ON t (a)', False),
        ("CREATE INDEX i ON t (a) -- CONCURRENTLY", False),
        ("CREATE INDEX i ON t ((a = 'CONCURRENTLY'))", False),
        ("DROP INDEX CONCURRENTLY i", True),
        ("DROP INDEX i", False),
        ("REINDEX TABLE t", True),  # it may be partitioned
        ("REINDEX (CONCURRENTLY off) INDEX i", True),
        ("CLUSTER t USING i", True),  # it may be partitioned
        ("CLUSTER", True),
        ("VACUUM t", True),
        ("ANALYZE t", False),
        ("DO $$ BEGIN NULL; END $$", True),
        ("CALL p()", True),
        ("ALTER DATABASE d SET TABLESPACE x", True),
        ("ALTER DATABASE d WITH TABLESPACE x", True),
        ("ALTER DATABASE U&\"d\" UESCAPE '!' TABLESPACE x", True),
        ("ALTER DATABASE d SET work_mem = '1MB'", False),
        ("ALTER SUBSCRIPTION s SET (failover = true)", True),
        ("ALTER SUBSCRIPTION U&\"s\" UESCAPE '!' REFRESH PUBLICATION", True),
        ("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = off)", True),
        ("DISCARD ALL", True),
        ("DISCARD TEMP", False),
        ("COMMIT", True),
        ("ROLLBACK PREPARED 'x'", True),
        ("ALTER TYPE e ADD VALUE 'x'", False),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", True),
        ("ALTER TABLE t DETACH PARTITION p FINALIZE", False),
        ("ALTER TABLE t DETACH PARTITION p", False),
        ("LISTEN a", False),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", False),
        ("UPDATE call SET a = 1", False),
        ("SELECT 'VACUUM'", False),
    ],
)
def test_needs_own(sql: str, expected: bool) -> None:
    assert needs_own(one(sql)) is expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SET search_path = app", True),
        ("set session /* x */ work_mem to '1MB'", True),
        ("SET LOCAL work_mem = '1MB'", False),
        ("SET local.x = 1", True),
        ("SET TIME ZONE 'UTC'", True),
        ("SET ROLE app", True),
        ("SET SESSION AUTHORIZATION app", True),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", True),
        ("SET TRANSACTION READ ONLY", False),
        ("SET SESSION TRANSACTION READ ONLY", False),
        ("SET CONSTRAINTS ALL DEFERRED", False),
        ("RESET ALL", True),
        ("DISCARD ALL", True),
        ("PREPARE p AS SELECT 1", True),
        ("PREPARE transaction AS SELECT 1", True),
        ("PREPARE TRANSACTION 'x'", False),
        ("DEALLOCATE ALL", True),
        ("LISTEN a", True),
        ("NOTIFY a", False),
        ("LOAD 'x'", True),
        ("CREATE TEMP TABLE t (a int)", True),
        ("CREATE LOCAL TEMPORARY VIEW v AS SELECT 1", True),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", True),
        ("CREATE TABLE pg_temp.t (a int)", True),
        ('CREATE FUNCTION "pg_temp".f() RETURNS int RETURN 1', True),
        ("CREATE TABLE t (a pg_temp.x)", False),
        ("CREATE TABLE temp (a int)", False),
        ("CREATE TABLE IF NOT EXISTS temp.t (a int)", False),
        ("CREATE VIEW v AS SELECT * FROM temp.t", False),
        ("SELECT 1 AS a INTO TEMP t", True),
        ("SELECT 1 AS a INTO LOCAL TEMPORARY TABLE t", True),
        ("SELECT 1 AS a INTO pg_temp.t", True),
        ("(SELECT 1 AS a INTO TEMP t)", True),
        ("WITH x AS (SELECT 1) SELECT * INTO TEMP t FROM x", True),
        ("SELECT 1 AS a INTO temp FROM x", False),
        ("SELECT 1 AS a INTO temp.t FROM x", False),
        ("SELECT x.into temp FROM x", False),
        ("SELECT 'INTO TEMP t'", False),
        ("WITH x AS (INSERT INTO temp (a) VALUES (1) RETURNING a) SELECT * FROM x", False),
        ("SELECT set_config('a.b', 'c', false)", True),
        ("SELECT pg_catalog.SET_CONFIG('a.b', concat('c', 'd'), false) AS x, set_config('a', 'b', false) y", True),
        ("SELECT set_config('a.b', 'c', true)", False),
        ("SELECT set_config('a.b', 'c', 't')", False),
        ("SELECT set_config('a.b', 'c', false), work()", False),
        ("SELECT set_config('a.b', c, false) FROM t", False),
        ("SELECT app.set_config('a.b', 'c', false)", False),
        ("SELECT pg_advisory_lock(1)", True),
        ("SELECT pg_advisory_xact_lock(1)", False),
        ("SELECT 1", False),
        ("UPDATE t SET a = 1", False),
        ("ALTER SYSTEM SET work_mem = '1MB'", False),
        ("ALTER ROLE a SET work_mem = '1MB'", False),
    ],
)
def test_sets_session(sql: str, expected: bool) -> None:
    pglast.parse_sql(sql)
    assert sets_session(one(sql)) is expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE TEMP TABLE t (a int)", True),
        ("CREATE GLOBAL TEMPORARY SEQUENCE s", True),
        ("CREATE INDEX i ON pg_temp.t (a)", True),
        ("SELECT 1 INTO TEMP t", True),
        ("SET work_mem = '1MB'", False),
        ("CREATE TABLE t (a int)", False),
    ],
)
def test_makes_temporary(sql: str, expected: bool) -> None:
    assert makes_temporary(one(sql)) is expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", made("i", "t", "a")),
        ("create unique index Concurrently IF not exists My_I on App.T(A)",
         made("my_i", "app.t", "a", unique=True, if_not_exists=True)),
        ('CREATE INDEX CONCURRENTLY "Weird "" Index" ON "My App"."T;x" ("A b")',
         made('Weird " Index', "My App.T;x", "A b")),
        ("CREATE INDEX CONCURRENTLY ON t (a)", made(None, "t", "a")),
        ("CREATE INDEX CONCURRENTLY/* i */ON t -- x\n(a)", made(None, "t", "a")),
        ('CREATE INDEX "CONCURRENTLY" ON t (a)', made("CONCURRENTLY", "t", "a", concurrently=False)),
        ("CREATE INDEX \"ON\" ON ONLY t (a)", made("ON", "t", "a", concurrently=False)),
        ("CREATE INDEX CONCURRENTLY i ON db.app.t (a)", made("i", "app.t", "a")),
        ("CREATE INDEX CONCURRENTLY i ON t USING GIN (a jsonb_path_ops) WITH (fastupdate = off)",
         made("i", "t", "a", method="gin")),
        ("CREATE INDEX CONCURRENTLY i ON t (a COLLATE \"C\" text_pattern_ops DESC NULLS LAST, (b || ',('), lower(c), "
         "s.f(d, e), f) INCLUDE (g, h) NULLS NOT DISTINCT TABLESPACE x WHERE (a IS NOT NULL)",
         made("i", "t", "a", None, None, None, "f", "g", "h", partial=True)),
        ("CREATE INDEX CONCURRENTLY i ON t (a, (b[1])) WHERE c", made("i", "t", "a", None, partial=True)),
        ("CREATE INDEX CONCURRENTLY i ON t (a gist_trgm_ops (siglen = 32), b)", made("i", "t", "a", "b")),
        ("CREATE INDEX CONCURRENTLY U&\"d!0061t\" UESCAPE '!' ON U&\"\\0074\" (a)", made("dat", "t", "a")),
        ("CREATE INDEX CONCURRENTLY ÄRGER ON straße (a)", made("Ärger", "straße", "a")),
        ("DROP INDEX CONCURRENTLY i", DropIndex((Name(None, "i"),), True, False)),
        ('drop index concurrently if exists App."I" cascade', DropIndex((Name("app", "I"),), True, True)),
        ("DROP INDEX a, s . b /* x */ , c",
         DropIndex((Name(None, "a"), Name("s", "b"), Name(None, "c")), False, False)),
        ("REINDEX INDEX CONCURRENTLY i", Reindex("index", Name(None, "i"), True)),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE s.t", Reindex("table", Name("s", "t"), True)),
        ("REINDEX (concurrently 'off', \"verbose\" true) TABLE t", Reindex("table", Name(None, "t"), False)),
        ("REINDEX (concurrently 0) TABLE CONCURRENTLY t", Reindex("table", Name(None, "t"), True)),
        ('REINDEX SCHEMA CONCURRENTLY "My"', Reindex("schema", Name(None, "My"), True)),
        ("REINDEX DATABASE", Reindex("database", None, False)),
        ("REINDEX DATABASE CONCURRENTLY d", Reindex("database", Name(None, "d"), True)),
        ("REINDEX SYSTEM d", Reindex("system", Name(None, "d"), False)),
        ("ALTER TYPE mood ADD VALUE 'so''so'", AddValue(Name(None, "mood"), "so'so", False)),
        ('ALTER TYPE "App"."Mood" ADD VALUE IF NOT EXISTS $x$a$$b$x$ BEFORE \'sad\'',
         AddValue(Name("App", "Mood"), "a$$b", True)),
        (r"ALTER TYPE m ADD VALUE E'a\'b\t\\\u00e4\xc3\xa4\303\244\q'",
         AddValue(Name(None, "m"), "a'b\t\\äääq", False)),
        (r"ALTER TYPE m ADD VALUE E'\uD83D\uDE00' AFTER 'x'", AddValue(Name(None, "m"), "😀", False)),
        ("ALTER TYPE m ADD VALUE 'a' -- x\n 'b'", AddValue(Name(None, "m"), "ab", False)),
        (r"ALTER TYPE m ADD VALUE U&'d\0061t\+000061\\'", AddValue(Name(None, "m"), "data\\", False)),
        ("ALTER TYPE m ADD VALUE U&'d!0061t!!' UESCAPE '!'", AddValue(Name(None, "m"), "dat!", False)),
        ("ALTER TYPE m RENAME VALUE 'a' TO 'b'", Other("ALTER TYPE")),
        ("ALTER TYPE m ADD ATTRIBUTE value int", Other("ALTER TYPE")),
        ("ALTER TABLE t DETACH PARTITION p", Detach(Name(None, "t"), Name(None, "p"), False, False)),
        ("ALTER TABLE IF EXISTS ONLY s.t DETACH PARTITION s.concurrently CONCURRENTLY",
         Detach(Name("s", "t"), Name("s", "concurrently"), True, False)),
        ("ALTER TABLE t * DETACH PARTITION s.concurrently",
         Detach(Name(None, "t"), Name("s", "concurrently"), False, False)),
        ("alter table ONLY (t) detach partition p finalize", Detach(Name(None, "t"), Name(None, "p"), False, True)),
        ("ALTER TABLE t ADD a int", Other("ALTER TABLE")),
        ("ALTER TABLE t RENAME TO detach", Other("ALTER TABLE")),
        ("ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b", Other("ALTER TABLE")),
        ("VACUUM (FULL) t", Repeatable("VACUUM")),
        ("ANALYSE t", Repeatable("ANALYZE")),
        ("CLUSTER t", Repeatable("CLUSTER")),
        ('CREATE DATABASE "New One" TEMPLATE x', CreateDatabase("New One")),
        ("DROP DATABASE IF EXISTS D WITH (FORCE)", DropDatabase("d", True)),
        ("DROP DATABASE D", DropDatabase("d", False)),
        ("DO $$ BEGIN NULL; END $$", Other("DO")),
        ("SELECT 'CREATE INDEX CONCURRENTLY i ON t (a)'", Other("SELECT")),
    ],
)  # fmt: skip
def test_effect(sql: str, expected: Effect) -> None:
    pglast.parse_sql(sql)
    assert effect(one(sql)) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX",
        "CREATE INDEX CONCURRENTLY",
        "CREATE INDEX CONCURRENTLY i ON",
        "CREATE INDEX CONCURRENTLY i ON t",
        "CREATE INDEX CONCURRENTLY i ON 'a' (b)",
        "REINDEX",
        "REINDEX (VERBOSE)",
        "REINDEX INDEX",
        "DROP INDEX",
        "ALTER TYPE",
        "ALTER TYPE m ADD VALUE",
        r"ALTER TYPE m ADD VALUE E'\uD83D'",
        r"ALTER TYPE m ADD VALUE U&'\D83D'",
        "ALTER TABLE t DETACH PARTITION",
        "CREATE DATABASE",
        "DROP DATABASE 'a'",
    ],
)
def test_what_the_server_refuses_is_other(sql: str) -> None:
    assert isinstance(effect(one(sql)), Other)


HEADS = ("ALTER TABLE", "ALTER TYPE", "CREATE", "CREATE INDEX", "DROP", "REINDEX", "SELECT", "SET", "VACUUM", "")
WORDS = (
    "ADD CONCURRENTLY DATABASE DETACH EXISTS FINALIZE IF INDEX INTO LOCAL NOT ON ONLY PARTITION SESSION SET TABLE",
    "TABLESPACE TEMP UESCAPE UNIQUE USING VALUE WHERE set_config pg_temp a t ( ) [ , . * = 'x' U&'y' U&\"y\" $$z$$ 1",
)


@bounded
@given(st.sampled_from(HEADS), st.lists(st.sampled_from(" ".join(WORDS).split(" ")), min_size=1, max_size=12))
def test_any_words_are_judged(head: str, words: list[str]) -> None:
    statement = Statement(" ".join([head, *words]), 0, 1, 1)
    assert isinstance(needs_own(statement), bool)
    assert not makes_temporary(statement) or sets_session(statement)
    effect(statement)


def oracle_name(sql: str) -> str:
    statement: Any = pglast.parse_sql(f"DROP TABLE {sql}")[0].stmt
    (names,) = statement.objects
    found: str = names[-1].sval
    return found


@bounded
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=15))
def test_a_quoted_name_is_read_back(name: str) -> None:
    assert Reader(quoted(name)).ident() == name
    assert oracle_name(quoted(name)) == name


@bounded
@given(st.from_regex(r"[A-Za-z_\x80-\U0010fffe][A-Za-z0-9_$\x80-\U0010fffe]{0,11}", fullmatch=True))
def test_a_plain_name_folds_as_the_server_folds_it(name: str) -> None:
    try:
        expected = oracle_name(f"{name}.{name}")
    except (pglast.parser.ParseError, UnicodeEncodeError):  # a reserved word; half a surrogate pair
        return
    assert Reader(name).ident() == expected


@bounded
@given(
    st.sampled_from(["'", "E'", "U&'"]),
    st.lists(st.sampled_from(["a", "''", r"\\", r"\n", r"\061", r"\0061", r"\+000061", "\n'  '", "é", r"\xe9 "])),
)
def test_a_string_is_read_as_the_server_reads_it(opening: str, parts: list[str]) -> None:
    sql = f"COMMENT ON TABLE t IS {opening}{''.join(parts)}'"
    try:
        expected: Any = pglast.parse_sql(sql)[0].stmt
    except (pglast.parser.ParseError, UnicodeDecodeError):  # an escape that is none; bytes that are no UTF-8
        return
    words = Reader(sql)
    words.expect("COMMENT", "ON", "TABLE", "T", "IS")
    assert words.string() == expected.comment
    assert words.word == ""
