"""Scripts are cut into statements as PostgreSQL cuts them, and each statement's nature is told from its tokens.

pglast, the server's own parser as a library, is the oracle. Its parser splits rightly; its scanner alone
(``with_parser=False``) knows no BEGIN ATOMIC body, drops statements without a keyword, and serves for text that does
not parse. Neither knows what is psql's: a byte-order mark, a backslash command, the data of COPY; the tests take these
out before they ask it.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pglast import parser
from statement_cases import CASES, Case

from tui.paths import sql_root
from tui.runbook.statements import (
    MetaCommand,
    SplitError,
    Statement,
    command_tag,
    not_in_transaction,
    scan,
    split,
    title,
    transaction_control,
)

SHIPPED = sorted(sql_root().rglob("*.sql"))
bounded = settings(max_examples=200, deadline=None)


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql)]


def one(sql: str) -> Statement:
    (statement,) = split(sql)
    return statement


def oracle(sql: str, *, with_parser: bool) -> list[str]:
    """The statements by pglast, which leaves comments at the edges of its slices."""
    found = []
    for piece in parser.split(sql, with_parser=with_parser, only_slices=True):
        text = sql[piece]
        tokens: list[Any] = [token for token in parser.scan(text) if token.name not in ("SQL_COMMENT", "C_COMMENT")]
        if tokens:
            found.append(text[tokens[0].start : tokens[-1].end + 1])
    return found


def assert_slices(sql: str, items: list[Statement | MetaCommand]) -> None:
    end = 0
    for item in items:
        assert end <= item.start < item.end
        assert sql[item.start : item.end] == item.text
        before = sql[: item.start].replace("\r\n", "\n").replace("\r", "\n")
        assert item.line == 1 + before.count("\n")
        end = item.end


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    assert texts(case.sql) == case.texts
    assert_slices(case.sql, scan(case.sql))


@pytest.mark.parametrize("case", [case for case in CASES if case.oracle != "none"], ids=lambda case: case.name)
def test_case_agrees_with_oracle(case: Case) -> None:
    assert oracle(case.sql, with_parser=case.oracle == "parser") == case.texts


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(sql_root())))
def test_shipped_file_agrees_with_oracle(path: Any) -> None:
    sql = path.read_bytes().decode()
    items = scan(sql)
    assert_slices(sql, items)
    statements = [item for item in items if isinstance(item, Statement)]
    plain = sql
    for item in items:
        if isinstance(item, MetaCommand):
            plain = plain[: item.start] + " " * len(item.text) + plain[item.end :]
        elif item.copy_data is not None:
            plain = plain.replace(item.copy_data + "\\.", "", 1)
    try:
        expected = oracle(plain, with_parser=True)
    except parser.ParseError:  # a query with the driver's %s or a {part} in it is no SQL yet
        assert "%" in plain or "{" in plain
        expected = oracle(plain, with_parser=False)
    assert [statement.text for statement in statements] == expected


# What does not end


@pytest.mark.parametrize(
    ("sql", "line", "words"),
    [
        ("SELECT 1;\nSELECT 'a;\n\n", 2, ["' quote", "missing '"]),
        ("SELECT 'a''", 1, ["' quote"]),
        ("\n\nSELECT U&'a", 3, ["' quote"]),
        ("SELECT E'a\\';\nSELECT 1", 1, ["E' string", "\\'"]),
        ("SELECT E'a\\", 1, ["E' string"]),
        ("SELECT 'a'\n'b", 2, ["' quote"]),
        ('SELECT 1;\r\nSELECT "a;\r\n', 2, ['" quote', 'missing "']),
        ("SELECT U&\"a'", 1, ['" quote']),
        ("SELECT 1;\rSELECT $$a;\r$x$", 2, ["$$ quote"]),
        ("\nDO $x$ a $$ $X$", 2, ["$x$ quote", "write $x$"]),
        ("SELECT 1;\n/* a\n/* b */\nSELECT 2;", 2, ["/* comment", "nest"]),
        ("SELECT 1\n/*/", 2, ["/* comment"]),
        ("SELECT f(1,\n(2);\nSELECT 3;", 1, ["(", "missing )"]),
        (
            "SELECT 1;\nCREATE FUNCTION f() RETURNS int\nBEGIN ATOMIC\nSELECT 1 END;\nSELECT 2;",
            3,
            ["BEGIN ATOMIC", "END"],
        ),
        ("SELECT 1;\nCOPY t FROM stdin;\n1\n2\n", 2, ["COPY", "\\."]),
        ("COPY t FROM stdin", 1, ["COPY", "\\."]),
        ("COPY t FROM stdin; SELECT 1;\n1\n\\.\n", 1, ["COPY", "next line"]),
        ("SELECT 1;\nSELECT 2 \\gset\n", 2, ["\\gset", "middle"]),
        ("SELECT 1 \\; SELECT 2;", 1, ["middle"]),
        ("SELECT 1;\n\nSELECT 'a\0b';", 3, ["NUL"]),
    ],
)
def test_refused_with_line(sql: str, line: int, words: list[str]) -> None:
    with pytest.raises(SplitError) as caught:
        scan(sql)
    assert caught.value.line == line
    assert [word for word in words if word not in str(caught.value)] == []


def test_line_of_first_token() -> None:
    sql = "\ufeff-- a\r\n/* b\r\n*/ SELECT\r\n1; SELECT 2;\n\n-- c\rSELECT 3"
    assert [statement.line for statement in split(sql)] == [3, 4, 7]


# COPY


@pytest.mark.parametrize(
    "copy",
    [
        "COPY t FROM stdin",
        "copy s.t (a, b) from STDIN with (format csv)",
        "COPY BINARY t FROM stdin",
        "COPY s.from FROM stdin",
        "COPY stdin FROM stdin WHERE a > 1",
        "COPY t FROM /* ; */ stdout",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_copy_data(copy: str, newline: str) -> None:
    data = f"1\t'{newline}\\.x{newline} \\.{newline}/* ; ${newline}"
    sql = f"SELECT 1;{newline}{copy}; -- no data{newline}{data}\\.{newline}SELECT 2;"
    first, second, third = split(sql)
    assert_slices(sql, [first, second, third])
    assert (second.text, second.copy_data, second.line) == (copy, data, 2)
    assert (third.text, third.copy_data, third.line) == ("SELECT 2", None, 8)
    assert first.copy_data is None


def test_copy_without_rows_and_at_the_end() -> None:
    assert [statement.copy_data for statement in split("COPY t FROM stdin;\n\\.\nCOPY t FROM stdin;\n1\n\\.")] == [
        "",
        "1\n",
    ]


def test_copy_to_and_from_elsewhere_have_no_data() -> None:
    sql = "COPY t TO stdout; COPY t FROM 'stdin'; COPY (SELECT 1 FROM stdin) TO stdout"
    assert [statement.copy_data for statement in split(sql)] == [None, None, None]


# psql's commands


def test_meta_commands() -> None:
    sql = "\\set ON_ERROR_STOP on\r\nSELECT '\\x'; \\i 'it''s a.sql' \r\n  \\ir sub/b.sql\n-- \\! rm\nSELECT 2;\n\\q"
    items = scan(sql)
    assert_slices(sql, items)
    assert [(type(item), item.text, item.line) for item in items] == [
        (MetaCommand, "\\set ON_ERROR_STOP on", 1),
        (Statement, "SELECT '\\x'", 2),
        (MetaCommand, "\\i 'it''s a.sql'", 2),
        (MetaCommand, "\\ir sub/b.sql", 3),
        (Statement, "SELECT 2", 5),
        (MetaCommand, "\\q", 6),
    ]
    metas = [item for item in items if isinstance(item, MetaCommand)]
    assert [(meta.name, meta.arguments) for meta in metas] == [
        ("\\set", ("ON_ERROR_STOP", "on")),
        ("\\i", ("it's a.sql",)),
        ("\\ir", ("sub/b.sql",)),
        ("\\q", ()),
    ]


@pytest.mark.parametrize(
    "text",
    ["\\i `ls`", "\\i :file", "\\i :'file'", '\\i "a b"', "\\i a\\b", "\\i a \\\\ SELECT 1", "\\i 'a", "\\i 'a\\n'"],
)
def test_meta_arguments_that_only_psql_can_read(text: str) -> None:
    (meta,) = scan(f"\n{text}")
    assert isinstance(meta, MetaCommand)
    assert meta.name == "\\i"
    with pytest.raises(SplitError, match="plain or 'single-quoted' words") as caught:
        _ = meta.arguments
    assert caught.value.line == 2


def test_split_refuses_meta_commands() -> None:
    with pytest.raises(SplitError, match=r"\\copy is a command of psql") as caught:
        split("SELECT 1;\n\\copy t from x")
    assert caught.value.line == 2


# Generated scripts

_ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
_TRAPS = st.text("'\"$;()/*-\\ \nEe&aU:1", max_size=12)
_CONTENT = st.one_of(_ANY, _TRAPS)
_BLANKS = st.text(" \t\n\r\f\v", min_size=1, max_size=3)
_LINE_COMMENTS = _CONTENT.map(lambda text: "--" + text.replace("\n", " ").replace("\r", " ") + "\n")


def _tame(text: str) -> str:
    return text.replace("/*", "/ *").replace("*/", "* /").strip("/*")


_BLOCK_COMMENTS = st.recursive(
    _CONTENT.map(lambda text: f"/*{_tame(text)} */"),
    lambda inner: st.tuples(_CONTENT, inner, _CONTENT).map(
        lambda three: f"/* {_tame(three[0])} {three[1]} {_tame(three[2])} */"
    ),
    max_leaves=3,
)
_NOISE = st.lists(st.one_of(_BLANKS, _LINE_COMMENTS, _BLOCK_COMMENTS), max_size=3).map("".join)


def _quoted(prefix: str, quote: str) -> st.SearchStrategy[str]:
    return _CONTENT.map(lambda text: prefix + quote + text.replace(quote, quote * 2) + quote)


@st.composite
def _dollar_quoted(draw: st.DrawFn) -> str:
    tag = "$" + draw(st.sampled_from(["", "a", "body", "_1", "ü"])) + "$"
    text = draw(_CONTENT)
    while tag in text + tag[:-1]:  # a text that ends in "$a" would close one "$" too early
        text = text.replace("$", "", 1)
    return tag + text + tag


_ESCAPES = st.lists(st.sampled_from(["\\\\", "\\'", "''", ";", "a", "--", "/*", "\n", "$$"])).map("".join)
_ESCAPED = st.one_of(
    _ESCAPES.map(lambda text: f"E'{text}'"),
    st.tuples(_ESCAPES, _ESCAPES).map(lambda two: f"e'{two[0]}' -- '\n '{two[1]}'"),
)
_VALUES = st.one_of(
    st.sampled_from(["a", "begin", "atomic", "a$b$", "größe", "u", "e", "$1", "1", "1.5e-3", ".5", "x[1:2]", "a::int"]),
    _quoted("", "'"),
    _quoted("N", "'"),
    _quoted("", '"').map(lambda text: '"q' + text[1:]),
    _ESCAPED,
    _dollar_quoted(),
)
_OPERATORS = st.sampled_from(["+", "-", "*", "/", "#", "->>", "@-", "@>", "<>", "||", "~*", "=", "?|", "=>"])
_ITEMS = st.one_of(
    _VALUES,
    st.tuples(_VALUES, _NOISE, _OPERATORS, _NOISE, _VALUES).map(
        lambda five: f"{five[0]},{''.join(five[1:4])} {five[4]}"
    ),
    st.tuples(_NOISE, _VALUES, _NOISE).map(lambda three: f"({''.join(three)})"),
    _VALUES.map(lambda value: f"CASE WHEN true THEN {value} END"),
)
_QUERIES = st.lists(st.tuples(_NOISE, _ITEMS, _NOISE), max_size=3).map(
    lambda items: "SELECT" + ",".join(["", *(f"{before} {item}{after}" for before, item, after in items), " z"])
)
_BODY = st.lists(st.tuples(_NOISE, _QUERIES, _NOISE).map("".join), max_size=3)
_PIECES = st.one_of(
    _QUERIES,
    st.tuples(_BODY, _NOISE).map(
        lambda two: (
            "CREATE OR REPLACE FUNCTION f(begin atomic) RETURNS int BEGIN ATOMIC "
            + "".join(f"{query};" for query in two[0])
            + f"{two[1]} END"
        )
    ),
    _BODY.map(lambda body: f"CREATE RULE r AS ON INSERT TO t DO ALSO ({';'.join(body)})"),
    st.sampled_from(["BEGIN", "END", "COMMIT", "BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT begin atomic FROM t"]),
)


@bounded
@given(st.lists(st.tuples(_NOISE, _PIECES, _NOISE, st.sampled_from([";", ";;", "; ; "]))), _NOISE)
def test_joined_pieces_split_back(parts: list[tuple[str, str, str, str]], rest: str) -> None:
    sql = "".join("".join(part) for part in parts) + rest
    assert texts(sql) == [piece for _, piece, _, _ in parts]
    assert_slices(sql, scan(sql))


@bounded
@given(st.lists(st.tuples(_NOISE, _QUERIES, _NOISE).map("".join)).map(";".join))
def test_generated_queries_agree_with_the_servers_scanner(sql: str) -> None:
    if "\ufeff" not in sql:
        assert texts(sql) == [text for text in oracle(sql, with_parser=False) if text]


_SHREDS = st.lists(
    st.one_of(
        st.sampled_from("'\"$;()\\/*-\n\r\t EeUuNx&:.,1_+@#|"),
        st.sampled_from(
            ["begin ", "atomic ", "end", "case ", "create ", "function ", "or replace ", "copy a from stdin;\n"]
        ),
        st.sampled_from(
            ["$a$", "$$", "\\.\n", "/*", "*/", "--", "''", "E'", "U&'", 'U&"', "\ufeff", "\0", "ü", "\v", "\x85"]
        ),
        st.characters(),
    ),
    max_size=40,
).map("".join)


@settings(bounded, max_examples=500)
@given(_SHREDS)
def test_garbage_is_split_or_refused(sql: str) -> None:
    try:
        items = scan(sql)
    except SplitError:
        return
    assert_slices(sql, items)
    for item in items:
        if isinstance(item, MetaCommand):
            continue
        if item.copy_data is None and not item.text.startswith("\ufeff"):
            assert texts(item.text) == [item.text]
        assert transaction_control(item) is None or not_in_transaction(item) is None
        assert "\n" not in command_tag(item)
        assert len(title(item, 20)) <= 20
        assert title(item, 20).isprintable()


@settings(bounded, max_examples=500)
@given(
    st.lists(
        st.sampled_from([*"'\"$;/*-\n\r\t EeUuNx&:,1_+@#|a", "$a$", "$$", "/*", "*/", "--", "''", "E'", "U&'"])
    ).map("".join)
)
def test_garbage_agrees_with_the_servers_scanner(sql: str) -> None:
    sql = "SELECT " + sql.replace(";", ";SELECT ")
    try:
        expected = oracle(sql, with_parser=False)
        found = texts(sql)
    except (SplitError, parser.ParseError):
        return  # what the server's scanner refuses may split in any way
    assert found == expected


# What a statement does


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("begin", "BEGIN"),
        ("/* a */ BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN"),
        ("BEGIN WORK READ ONLY", "BEGIN"),
        ("START /* ; */ TRANSACTION", "START TRANSACTION"),
        ("COMMIT AND CHAIN", "COMMIT"),
        ("END", "END"),
        ("END TRANSACTION", "END"),
        ("ROLLBACK", "ROLLBACK"),
        ("ROLLBACK WORK AND NO CHAIN", "ROLLBACK"),
        ("ABORT", "ABORT"),
        ("SAVEPOINT a", "SAVEPOINT"),
        ("RELEASE a", "RELEASE"),
        ("RELEASE SAVEPOINT a", "RELEASE"),
        ("ROLLBACK TO a", "ROLLBACK TO"),
        ("ROLLBACK TRANSACTION TO SAVEPOINT a", "ROLLBACK TO"),
        ("PREPARE TRANSACTION 'a'", "PREPARE TRANSACTION"),
        ("PREPARE TRANSACTION E'a'", "PREPARE TRANSACTION"),
        ("COMMIT PREPARED 'a'", "COMMIT PREPARED"),
        ("ROLLBACK PREPARED 'a'", "ROLLBACK PREPARED"),
        ("PREPARE transaction AS SELECT 1", None),
        ("PREPARE transaction (text) AS SELECT 'a'", None),
        ("PREPARE a AS SELECT 1", None),
        ("SET TRANSACTION READ ONLY", None),
        ("SELECT begin FROM t", None),
        ('"begin"', None),
        ("DO $$ BEGIN COMMIT; END $$", None),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", None),
    ],
)
def test_transaction_control(sql: str, expected: str | None) -> None:
    assert transaction_control(one(sql)) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("create index concurrently on t (a)", "CREATE INDEX CONCURRENTLY"),
        ("CREATE UNIQUE INDEX /* x */ CONCURRENTLY IF NOT EXISTS i ON t (a)", "CREATE INDEX CONCURRENTLY"),
        ("CREATE INDEX i ON t (a) -- CONCURRENTLY\n", None),
        ('CREATE INDEX "CONCURRENTLY" ON t (a)', None),
        ("DROP INDEX CONCURRENTLY IF EXISTS i", "DROP INDEX CONCURRENTLY"),
        ("DROP INDEX i", None),
        ("REINDEX INDEX CONCURRENTLY i", "REINDEX CONCURRENTLY"),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", "REINDEX CONCURRENTLY"),
        ("REINDEX (CONCURRENTLY 'on', TABLESPACE x) TABLE t", "REINDEX CONCURRENTLY"),
        ("REINDEX (CONCURRENTLY off) TABLE t", None),
        ("REINDEX (CONCURRENTLY 0) TABLE t", None),
        ("REINDEX TABLE t", None),
        ("REINDEX DATABASE d", "REINDEX DATABASE"),
        ("REINDEX (VERBOSE) SYSTEM d", "REINDEX SYSTEM"),
        ("REINDEX SCHEMA s", "REINDEX SCHEMA"),
        ("ALTER TABLE t DETACH PARTITION s.p CONCURRENTLY", "DETACH PARTITION CONCURRENTLY"),
        ("ALTER TABLE IF EXISTS s.t DETACH PARTITION p CONCURRENTLY", "DETACH PARTITION CONCURRENTLY"),
        ("ALTER TABLE t DETACH PARTITION s.concurrently", None),
        ("ALTER TABLE t DETACH PARTITION p FINALIZE", None),
        ("ALTER TABLE t ADD a int", None),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", None),
        ("VACUUM", "VACUUM"),
        ("VACUUM (ANALYZE) t", "VACUUM"),
        ("ANALYZE t", None),
        ("CREATE DATABASE d", "CREATE DATABASE"),
        ("DROP DATABASE IF EXISTS d", "DROP DATABASE"),
        ("ALTER DATABASE d SET TABLESPACE x", "ALTER DATABASE SET TABLESPACE"),
        ("ALTER DATABASE d SET work_mem = '1MB'", None),
        ("CREATE TABLESPACE x LOCATION '/x'", "CREATE TABLESPACE"),
        ("DROP TABLESPACE x", "DROP TABLESPACE"),
        ("ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM"),
        ("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", "CREATE SUBSCRIPTION"),
        ("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (enabled = false)", "CREATE SUBSCRIPTION"),
        ("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (enabled = true, create_slot = false)", None),
        ("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = 'off')", None),
        ("DROP SUBSCRIPTION s", "DROP SUBSCRIPTION"),
        ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", "ALTER SUBSCRIPTION REFRESH PUBLICATION"),
        ("ALTER SUBSCRIPTION s SET PUBLICATION p", "ALTER SUBSCRIPTION SET PUBLICATION"),
        ("ALTER SUBSCRIPTION s ADD PUBLICATION p WITH (refresh = false)", None),
        ("ALTER SUBSCRIPTION s DISABLE", None),
        ("CLUSTER", "CLUSTER"),
        ("CLUSTER (VERBOSE)", "CLUSTER"),
        ("CLUSTER VERBOSE", "CLUSTER"),
        ("CLUSTER t USING i", None),
        ("CLUSTER (VERBOSE) t", None),
        ("DISCARD ALL", "DISCARD ALL"),
        ("DISCARD PLANS", None),
        ("ALTER TYPE e ADD VALUE 'x'", None),
        ("SELECT 'VACUUM'", None),
    ],
)
def test_not_in_transaction(sql: str, expected: str | None) -> None:
    assert not_in_transaction(one(sql)) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("alter table t add a int", "ALTER TABLE"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY"),
        ("CREATE INDEX concurrently_made ON t (a)", "CREATE INDEX"),
        ("CREATE OR REPLACE FUNCTION f() RETURNS int RETURN 1", "CREATE FUNCTION"),
        ("CREATE GLOBAL TEMP TABLE t (a int)", "CREATE TABLE"),
        ("CREATE UNLOGGED TABLE t (a int)", "CREATE TABLE"),
        ("CREATE OR REPLACE RECURSIVE VIEW v (a) AS SELECT 1", "CREATE VIEW"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED VIEW"),
        ("CREATE CONSTRAINT TRIGGER t AFTER INSERT ON x EXECUTE FUNCTION f()", "CREATE TRIGGER"),
        ("CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION f()", "CREATE EVENT TRIGGER"),
        ("CREATE FOREIGN DATA WRAPPER w", "CREATE FOREIGN DATA WRAPPER"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO a", "ALTER DEFAULT PRIVILEGES"),
        ("DROP TEXT SEARCH CONFIGURATION c", "DROP TEXT SEARCH CONFIGURATION"),
        ("DROP POLICY p ON t", "DROP POLICY"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", "REFRESH MATERIALIZED VIEW CONCURRENTLY"),
        ("REINDEX (CONCURRENTLY) TABLE t", "REINDEX CONCURRENTLY"),
        ("REINDEX TABLE t", "REINDEX"),
        ("UPDATE t SET a = 1", "UPDATE"),
        ("DO $$ BEGIN END $$", "DO"),
        ("(SELECT 1) UNION SELECT 2", "SELECT"),
        ("WITH a AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM a", "INSERT"),
        ("WITH update (a) AS (SELECT 1), merge AS (SELECT 2) DELETE FROM t USING update", "DELETE"),
        ("WITH RECURSIVE a AS (SELECT 1) SEARCH DEPTH FIRST BY b SET update UPDATE t SET a = 1", "UPDATE"),
        ("LOCK t", "LOCK TABLE"),
        ("TRUNCATE t", "TRUNCATE TABLE"),
        ("SET LOCAL lock_timeout = '3s'", "SET LOCAL"),
        ("SET lock_timeout = '3s'", "SET"),
        ("COMMENT ON TABLE t IS 'a'", "COMMENT"),
        ("GRANT SELECT ON t TO a", "GRANT"),
        ("ROLLBACK TO SAVEPOINT a", "ROLLBACK TO"),
        ("CREATE", "CREATE"),
        ("'a'", "SQL"),
        ("(", None),
    ],
)
def test_command_tag(sql: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(SplitError):
            split(sql)
    else:
        assert command_tag(one(sql)) == expected


@pytest.mark.parametrize(
    ("sql", "width", "expected"),
    [
        ("SELECT\n  a, -- first\n  b /* second */\nFROM   t", 40, "SELECT a, b FROM t"),
        ("SELECT a/* x */b", 40, "SELECT a b"),
        ("SELECT 'it''s -- no comment', \"a  b\"", 40, "SELECT 'it''s -- no comment', \"a  b\""),
        ("SELECT 'a' -- x\n 'b'", 40, "SELECT 'a' 'b'"),
        ("DO $$\nBEGIN\n  NULL;\nEND $$", 40, "DO $$ BEGIN NULL; END $$"),
        ("SELECT 12345", 12, "SELECT 12345"),
        ("SELECT 12345", 11, "SELECT 123…"),
        ("SELECT 12345", 8, "SELECT…"),
        ("SELECT 1", 1, "…"),
        ("SELECT '\x1b[31m\u202ea\x9b'", 40, "SELECT '[31ma'"),
    ],
)
def test_title(sql: str, width: int, expected: str) -> None:
    assert title(one(sql), width) == expected
    assert len(title(one(sql), width)) <= width
