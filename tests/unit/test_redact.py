"""No literal of a query is left, however it is written and wherever the server cut it; all else is.

pglast, PostgreSQL's own scanner as a library, is the oracle.
"""

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pglast import fingerprint, parser
from statement_cases import CASES

from tui.paths import sql_root
from tui.postgres.decode import HIDDEN, Text, query_text
from tui.postgres.redact import COMMENT, LITERAL, redact, redact_within
from tui.postgres.rows import safe
from tui.runbook.statements import Statement, scan

SECRET = "hunter"
SHIPPED = sorted(sql_root().rglob("*.sql"))
CONSTANTS = {"SCONST", "USCONST", "BCONST", "XCONST", "ICONST", "FCONST"}
COMMENTS = {"SQL_COMMENT", "C_COMMENT"}


def oracle(sql: str) -> str:
    """What redact() has to make of it, by the tokens that PostgreSQL's scanner finds."""
    pieces: list[str] = []
    last = 0
    tokens: list[Any] = list(parser.scan(sql))
    for number, token in enumerate(tokens):
        start, end = token.start, token.end + 1
        gap, text = sql[last:start], sql[start:end]
        if token.name in COMMENTS:
            if number and tokens[number - 1].name in COMMENTS:
                gap = ""
            else:
                gap += COMMENT
            text = ""
        elif token.name in CONSTANTS:
            text = LITERAL
        elif token.name == "NCHAR" and text in "nN" and sql[end : end + 1] == "'":
            text = ""
        pieces += [gap, text]
        last = end
    return "".join([*pieces, sql[last:]])


# What a literal is


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 'x'", "SELECT ?"),
        ("SELECT ''", "SELECT ?"),
        ("SELECT 'it''s'", "SELECT ?"),
        ("SELECT E'it\\'s', e'a''b\\\\'", "SELECT ?, ?"),
        ("SELECT U&'d\\0061t' UESCAPE '!'", "SELECT ? UESCAPE ?"),
        ("SELECT B'101', b'', X'1F', x'a'", "SELECT ?, ?, ?, ?"),
        ("SELECT N'x', n'y'", "SELECT ?, ?"),
        ("SELECT 'a'\n  'b'", "SELECT ?"),
        ("SELECT 'a' -- c\n 'b'", "SELECT ?"),
        ("SELECT 'a' 'b'", "SELECT ? ?"),
        ("SELECT $$x$$, $tag$ $$ 'y' $tag$", "SELECT ?, ?"),
        ("DO $do$ BEGIN PERFORM 'x'; END $do$", "DO ?"),
        (
            "CREATE FUNCTION f() RETURNS int AS 'SELECT 1' LANGUAGE sql",
            "CREATE FUNCTION f() RETURNS int AS ? LANGUAGE sql",
        ),
        ("SELECT 1, 1.5, .5, 1., 1e10, 1.5E-3, 0xFF, 0b1, 0o7, 1_000", "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"),
        ("SELECT -1, +1", "SELECT -?, +?"),
        ("SELECT a[1:2], b.c", "SELECT a[?:?], b.c"),
        ("SELECT x::varchar(10)", "SELECT x::varchar(?)"),
        ("SELECT date '2020-01-01', interval '1 day'", "SELECT date ?, interval ?"),
        ("SELECT true, null, current_user", "SELECT true, null, current_user"),
        ("EXECUTE p (1, 'x')", "EXECUTE p (?, ?)"),
        ("VALUES (1,'x'),(2,'y')", "VALUES (?,?),(?,?)"),
        ("SELECT 'a\\b', '\\d+', '\\\\'", "SELECT ?, ?, ?"),
        ("SELECT foo'x'", "SELECT foo?"),
    ],
)
def test_a_literal_is_replaced(sql: str, expected: str) -> None:
    assert redact(sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "",
        " \n\t ",
        'SELECT a, t.b, "C d", "it\'\'s", "a""b", U&"d\\0061" FROM s.t1 AS x2',
        "SELECT $1, $23::int, a$1, _b, é9, 表",
        "SELECT a FROM t\n  WHERE b = $1\r\n\tORDER BY c;",
        "SELECT a -> b ->> c #> d @> e ? f ?| g || h !~* i, j <-> k, (l / m) * n - - o",
        "BEGIN; COMMIT;",
        "autovacuum: VACUUM public.t (to prevent wraparound)",
        HIDDEN,
        "<command string not enabled>",
        "COPY t (a, b) FROM STDIN",
        "\\copy",
        "$ $ a$$b",
    ],
)
def test_what_is_none_stays(sql: str) -> None:
    assert redact(sql) == sql


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a -- user 5\nFROM t", "SELECT a /*…*/\nFROM t"),
        ("SELECT a /* it's */ FROM t", "SELECT a /*…*/ FROM t"),
        ("/* a /* b */ 'c' */ SELECT d", "/*…*/ SELECT d"),
        ("-- a\n  -- b\n/* c */\nSELECT d", "/*…*/\nSELECT d"),
        ("SELECT a/*b*/+/*c*/d", "SELECT a/*…*//*…*/d".replace("//", "/+/")),
        ("SELECT a /*traceparent='00-5bd6',user='bob'*/", "SELECT a /*…*/"),
        ("SELECT a -- 'b", "SELECT a /*…*/"),
        ("SELECT a -- b\r'c' d", "SELECT a /*…*/\r? d"),
        ("/*", "/*…*/"),
        ("SELECT a /* b /* c */ d", "SELECT a /*…*/"),
    ],
)
def test_a_comment_is_replaced(sql: str, expected: str) -> None:
    assert redact(sql) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a, 'b", "SELECT a, ?"),
        ("SELECT a, 'b''", "SELECT a, ?"),
        ("SELECT a,\n  E'b\\'", "SELECT a,\n  ?"),
        ("SELECT a, U&'b", "SELECT a, ?"),
        ("SELECT a, X'b", "SELECT a, ?"),
        ("SELECT a, 'b'\n'c", "SELECT a, ?"),
        ("SELECT a, $$b", "SELECT a, ?"),
        ("SELECT a, $b$c$b", "SELECT a, ?"),
        ('SELECT a, "b', "SELECT a, ?"),
        ('SELECT a, U&"b""', "SELECT a, ?"),
        ("SELECT a -- x\n, /* y */ 'b", "SELECT a /*…*/\n, /*…*/"),
    ],
)
def test_what_does_not_end_is_gone_to_the_end(sql: str, expected: str) -> None:
    assert redact(sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        # One of the two readings takes the rest for names, whichever the session has.
        rf"SELECT 'it\'s {SECRET}'",
        rf"SELECT 'C:\', '{SECRET}'",
        rf"SELECT 'a\', {SECRET}, '",
        rf"SELECT 'a\\\' {SECRET}'",
        rf"SELECT '\''{SECRET}''",
        rf"SELECT 'a'" "\n" rf"'b\' {SECRET} '",
    ],
)
def test_nothing_is_shown_where_a_setting_decides_what_a_backslash_means(sql: str) -> None:
    assert redact(sql) == "SELECT ?"


# Whatever comes


QUOTES = st.sampled_from(["'", "''", "\\", "\\'", '"', "$$", "$a$", "--", "/*", "*/", "\n", " ", ";", SECRET, "é", "?"])


def quoted(body: str) -> list[str]:
    """This text as a literal of each form that can hold it; a plain one in both readings of a backslash."""
    doubled = body.replace("'", "''")
    escaped = body.replace("\\", "\\\\").replace("'", "\\'")
    forms = [f"'{doubled}'", f"E'{escaped}'", f"'{escaped}'", f"N'{doubled}'", f"U&'{doubled}'"]
    forms += [f"$q${body}$q$", f"/* {body.replace('/*', '').replace('*/', '')} */"]
    return forms if "\n" in body else [*forms, f"-- {body}\n"]


LITERALS = st.lists(QUOTES, max_size=8).map("".join).flatmap(lambda body: st.sampled_from(quoted(body)))
CODE = st.sampled_from(
    ["SELECT ", " a ", ", ", "(", ")", '"b ""c"', " = ", "$1", "\n", "::int", " - ", " 42 ", "/", "*"]
)


@given(st.lists(st.one_of(CODE, LITERALS), max_size=12).map("".join), st.integers(0, 200))
@settings(deadline=None, database=None)
def test_no_literal_survives_wherever_it_is_cut(sql: str, kept: int) -> None:
    assert SECRET not in redact(sql)
    assert SECRET not in redact(sql[:kept])


@given(st.text(max_size=200))
@settings(deadline=None, database=None)
@example("$a'x'$")
@example("+--c\n")
@example("-/*c*/-")
@example("b'")
@example("1.'x'..5")
@example("\ud800'\x00")
def test_any_text_is_taken_and_what_came_out_is_not_changed(sql: str) -> None:
    told = redact(sql)
    assert redact(told) == told


@given(st.lists(st.one_of(CODE, QUOTES, LITERALS), max_size=20).map("".join))
@settings(max_examples=500, deadline=None, database=None)
def test_nothing_is_made_up(sql: str) -> None:
    told = redact(sql)
    assert redact(told) == told
    # What is left stands there in its order.
    left = iter(sql)
    assert all(letter in left for letter in told.replace(COMMENT, "").replace(LITERAL, "").replace("…", ""))


@given(st.binary(max_size=200), st.sampled_from(["utf-8", "latin-1", "euc_jp", "cp1252", "gb18030"]))
@settings(deadline=None, database=None)
def test_any_bytes_are_taken(data: bytes, codec: str) -> None:
    shown = Text(codec, redacted=True).lines(data)
    assert safe(shown, lines=True) == shown


def test_a_character_that_is_taken_out_ends_no_literal() -> None:
    # Without its CR the comment would go on, and end within the next literal.
    sql = f"SELECT 1 -- '\r , '\n{SECRET}' , b"
    assert query_text(sql, redacted=True) == "SELECT ? /*…*/ , ? , b"
    assert query_text(f"SELECT\x1b '{SECRET}'", redacted=True) == "SELECT· ?"


def test_without_it_only_passwords_are_hidden() -> None:
    sql = "ALTER ROLE a PASSWORD 'x' VALID UNTIL '2027-01-01'"
    assert query_text(sql, redacted=False) == "ALTER ROLE a PASSWORD '***' VALID UNTIL '2027-01-01'"
    assert query_text(sql, redacted=True) == "ALTER ROLE a PASSWORD ? VALID UNTIL ?"


# By PostgreSQL's own scanner and parser


def ambiguous(sql: str) -> bool:
    """A plain string in it is read in another way where standard_conforming_strings is off."""
    strings = [sql[token.start : token.end + 1] for token in parser.scan(sql) if token.name in ("SCONST", "USCONST")]
    return any(text[0] in "'uU" and re.search(r"(?<!\\)(\\\\)*\\'", text) for text in strings)


@pytest.mark.parametrize("case", [case for case in CASES if case.oracle != "none"], ids=lambda case: case.name)
def test_every_trap_agrees_with_the_oracle(case: Any) -> None:
    expected = oracle(case.sql)
    if ambiguous(case.sql):
        told = redact(case.sql).removesuffix(LITERAL)
        assert expected.startswith(told)
    else:
        assert redact(case.sql) == expected


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(sql_root())))
def test_shipped_files_agree_with_the_oracle(path: Path) -> None:
    for item in scan(path.read_bytes().decode()):
        if isinstance(item, Statement):
            assert not ambiguous(item.text)
            assert redact(item.text) == oracle(item.text)


def test_any_three_tokens_side_by_side_agree_with_the_oracle() -> None:
    parts = ["a", '"b"', "'c'", "E'd'", "b'1'", "x'1'", "n'e'", "$$f$$", "$1", "1", ".5", "+", "-", "/", "*"]
    parts += ["(", "U&'g'", "/*h*/", "--i\n", " ", "\n", "::", "[", "?", 'U&"j"', "e", "$k$l$k$"]
    compared = 0
    for three in product(parts, repeat=3):
        sql = "".join(three)
        if re.search(r"[bx]'1''", sql):
            # To PostgreSQL these are two literals without anything between them.
            continue
        try:
            expected = oracle(sql)
        except parser.ParseError:
            continue
        compared += 1
        # Blanks behind a comment may be its own.
        told, expected = (re.sub(r"(?<=…\*/) +", "", text) for text in (redact(sql), expected))
        assert told == expected, sql
    assert compared > 10_000


def numbered(redacted: str) -> str:
    """The same with a parameter for each literal, which the parser takes in its place."""
    pieces = redacted.split(LITERAL)
    return pieces[0] + "".join(f"${number}{piece}" for number, piece in enumerate(pieces[1:], 1))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a, 'x' FROM t WHERE b = 42 AND c IN (1, 2, 3) AND d LIKE E'%\\'%' LIMIT 5",
        "INSERT INTO t (a, b) VALUES (1, 'x'), (2, $$y$$) ON CONFLICT (a) DO UPDATE SET b = 'z' RETURNING a",
        "UPDATE t SET a = a + 1, b = 'x' || c WHERE d BETWEEN 1.5 AND 2e3 -- note\n AND e = X'1F'",
        "DELETE FROM t USING u WHERE t.a = u.a AND u.b = ANY (ARRAY['x', 'y'])",
        "WITH a AS (SELECT 1 AS b), c AS (SELECT 'x'::text) SELECT * FROM a, c WHERE a.b = 3 /* why */",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = 'x' WHEN NOT MATCHED THEN DO NOTHING",
        "SELECT count(*) FILTER (WHERE a > 5) OVER (ORDER BY b) FROM t GROUP BY c HAVING sum(d) > 10",
        "SELECT CASE WHEN a = 'x' THEN 1 ELSE 2 END, b[1], (c).d, coalesce(e, 'none') FROM f(1, 'y') AS g",
    ],
)
def test_a_redacted_statement_has_the_same_structure(sql: str) -> None:
    assert fingerprint(numbered(redact(sql))) == fingerprint(sql)
    assert fingerprint(sql) != fingerprint(sql.replace("a", "other", 1))


# Within another text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 'x'", "SELECT ?"),
        ("4242: select a from t where b = 5", "4242: select a from t where b = ?"),
        ("bob 10:15 /* 'x' */ SELECT 1", "bob 10:15 /*…*/ SELECT ?"),
        ("ROLLBACK PREPARED 'x'", "ROLLBACK PREPARED ?"),
        ("FETCH a; E'\\'x'", "FETCH a; E?"),
        ("START_REPLICATION SLOT s (a $$x$$)", "START_REPLICATION SLOT s (a ?)"),
        ("4242", "4242"),
        ("00:14:02", "00:14:02"),
        ("idle in transaction", "idle in transaction"),
        ("users AccessShareLock, tasks RowExclusiveLock", "users AccessShareLock, tasks RowExclusiveLock"),
        ("2026-11-22 01:31:07+00", "2026-11-22 01:31:07+00"),
    ],
)
def test_a_query_within_a_text(text: str, expected: str) -> None:
    assert redact_within(text) == expected
