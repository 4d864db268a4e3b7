"""The meaning of a file: what may change in it without a change of it, and what may not."""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from pglast.parser import ParseError, parse_sql_json
from runbook_files import FILES, TOML, write

from tui.runbook.load import load_or_refuse
from tui.runbook.meaning import meaning, runbook_meaning
from tui.runbook.model import Runbook, Script
from tui.runbook.statements import split


def of(sql: str) -> str:
    return meaning(Script("steps/1.sql", sql, tuple(split(sql))))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 1", "SELECT 1;"),
        ("SELECT 1;", "-- why\n\n  SELECT\t1 ;;\n"),
        ("SELECT 1;", "\ufeffSELECT 1;\r\n"),
        ("SELECT a/**/b", "SELECT a b"),
        ("SELECT a/* 1 /* 2 */ 3 */b", "SELECT a -- x\n b"),
        ("SELECT count(*),a FROM t WHERE a=1", "SELECT count( * ) , a\nFROM t\nWHERE a = 1"),
        ("SELECT a=-1", "SELECT a = - 1"),
        ("SELECT a*-b, a<>-1", "SELECT a * -b, a <> -1"),
        ("SELECT a::int, b[1:2]", "SELECT a :: int, b [ 1 : 2 ]"),
        ("SELECT s.a FROM s.t", "SELECT s . a FROM s. t"),
        ("SELECT a-- one\n-1", "SELECT a-- another\n-1"),
        ("SELECT a+/* one */b", "SELECT a + b"),
        ("SELECT date'2026-01-01'", "SELECT date '2026-01-01'"),
        ("SELECT 'a'\n'b'", "SELECT 'a'  -- the rest\n\n   'b'"),
        ("SELECT E'a'\n'\\n'", "SELECT E'a'\r\n\t'\\n'"),
        ("SELECT U&'a' UESCAPE '!'", "SELECT U&'a'\nUESCAPE'!'"),
        ('SELECT 1"a"', 'SELECT 1 "a"'),
        ("COPY t FROM stdin;\n1\n\\.\n", "COPY t  FROM stdin; -- the data\n1\n\\.\nSELECT 1;"[:-9]),
        ("DO $$ BEGIN END $$", "DO\n$$ BEGIN END $$ -- done"),
        ("SELECT 1; SELECT 2", "SELECT 1;\n/* then */ SELECT 2;"),
    ],
)
def test_comments_and_white_space_do_not_count(one: str, other: str) -> None:
    assert of(one) == of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a b", "SELECT ab"),
        ("SELECT 1", "SELECT 2"),
        ("SELECT 1", "select 1"),
        ("SELECT 1; SELECT 2", "SELECT 2; SELECT 1"),
        ("SELECT 1; SELECT 2", "SELECT 1 SELECT 2"),
        ("SELECT 'a b'", "SELECT 'a  b'"),
        ("SELECT 'a -- b'", "SELECT 'a'"),
        ("SELECT 'a\nb'", "SELECT 'a\r\nb'"),
        ('SELECT "a b"', 'SELECT "a  b"'),
        ('SELECT "a"', "SELECT a"),
        ("SELECT $$a b$$", "SELECT $$a  b$$"),
        ("SELECT $$a /* x */$$", "SELECT $$a$$"),
        ("SELECT $a$1$a$", "SELECT $b$1$b$"),
        ("SELECT $$a$$", "SELECT 'a'"),
        ("SELECT a <= b", "SELECT a < = b"),
        ("SELECT a @- b", "SELECT a @ - b"),
        ("SELECT a - -b", "SELECT a --b\n"),
        ("SELECT a ->> 'b'", "SELECT a -> > 'b'"),
        ("SELECT a::int", "SELECT a: :int"),
        ("SELECT f(a := 1)", "SELECT f(a : = 1)"),
        ("SELECT 'a'\n'b'", "SELECT 'a' 'b'"),
        ("SELECT 'a'\n'b'", "SELECT 'a' /* \n */ 'b'"),
        ("SELECT 'a'\n'b'", "SELECT 'a''b'"),
        ("SELECT 'a'\n'b'", "SELECT 'ab'"),
        ("SELECT E'a'", "SELECT E 'a'"),
        ("SELECT b'1'", "SELECT b '1'"),
        ("SELECT X'1'", "SELECT X '1'"),
        ("SELECT U&'a'", "SELECT U & 'a'"),
        ("SELECT 1a", "SELECT 1 a"),
        ("SELECT 1.5", "SELECT 1 .5"),
        ("SELECT 0x1F", "SELECT 0 x1F"),
        ("SELECT 1e5", "SELECT 1 e5"),
        ("SELECT $1", "SELECT $ 1"),
        ("COPY t FROM stdin;\n1\n\\.\n", "COPY t FROM stdin;\n2\n\\.\n"),
        ("COPY t FROM stdin;\n1\n\\.\n", "COPY t FROM stdin;\n1 \n\\.\n"),
        ("COPY t FROM stdin;\n-- 1\n\\.\n", "COPY t FROM stdin;\n\\.\n"),
        ("COPY t FROM stdin;\nSELECT\n\\.\n", "COPY t FROM stdin;\n\\.\nSELECT"),
        ("COPY t FROM stdin;\n\\.\n", "COPY t FROM '/dev/null'"),
        ("SELECT 1; SELECT 2", "SELECT 1; SELECT 2; SELECT 3"),
    ],
)
def test_everything_else_counts(one: str, other: str) -> None:
    assert of(one) != of(other)


SCRIPT = """\
CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a+1; SELECT CASE WHEN a<-1 THEN 2 END; END;
CREATE OPERATOR @-(FUNCTION=f,RIGHTARG=int);
UPDATE t SET b='it''s -- no comment',c=E'\\'x',"d e"=$q$ /* in */ $q$,g=b'101',h='one'
'two' WHERE a>=-1 AND a->>'k'='v'AND x[1:2]<@ARRAY[1,2]::int[] AND s.t!~*'y';
SELECT 1.5,.5,1e-3,date'2026-01-01',count(*)FROM"Q t" WHERE a-1=b;
"""


def test_what_counts_the_same_is_the_same_to_the_server() -> None:
    """White space and comments put in anywhere: where the meaning stays, the server's parse tree does."""
    parsed = _parsed(SCRIPT)
    seeded = random.Random(5)
    found = {True: 0, False: 0}
    for _ in range(1500):
        at = seeded.randrange(len(SCRIPT))
        put = seeded.choice([" ", "\n", "/* x */", " -- x\n", "\t"])
        changed = SCRIPT[:at] + put + SCRIPT[at:]
        try:
            same = of(changed) == of(SCRIPT)
        except ValueError:
            continue
        found[same] += 1
        if same:
            assert _parsed(changed) == parsed, changed
    assert min(found.values()) > 100


def test_white_space_is_taken_out_unseen_only_where_the_server_reads_the_same() -> None:
    parsed = _parsed(SCRIPT)
    found = {True: 0, False: 0}
    for at in (n for n, character in enumerate(SCRIPT) if character.isspace()):
        changed = SCRIPT[:at] + SCRIPT[at + 1 :]
        same = of(changed) == of(SCRIPT)
        found[same] += 1
        if same:
            assert _parsed(changed) == parsed, changed
    assert min(found.values()) > 5


def _parsed(sql: str) -> str | None:
    """The server's own parse tree without the places of its parts; None where it is an error."""
    try:
        tree = parse_sql_json(sql)
    except ParseError:
        return None
    return re.sub(r'"\w*(?:location|list_start|list_end|stmt_len)":-?\d+,?', "", tree)


@pytest.fixture
def book(tmp_path: Path) -> Callable[[dict[str, str | bytes | None]], Runbook]:
    def made(files: dict[str, str | bytes | None]) -> Runbook:
        return load_or_refuse(write(tmp_path / "book", files))[0]

    return made


Book = Callable[[dict[str, str | bytes | None]], Runbook]


def test_a_begin_and_commit_around_it_and_an_inclusion_do_not_count(book: Book) -> None:
    plain = "ALTER TABLE accounts RENAME TO users;\n"
    first = book({"steps/005.sql": plain}).step("005").sql
    wrapped = book({"steps/005.sql": f"\\set ON_ERROR_STOP on\nBEGIN;\n{plain}COMMIT;\n"}).step("005").sql
    included = book({"steps/005.sql": "\\ir parts/rename.sql\n", "steps/parts/rename.sql": plain}).step("005").sql
    assert len({meaning(first), meaning(wrapped), meaning(included)}) == 1
    assert len({first.sha256, wrapped.sha256, included.sha256}) == 3
    other = book(
        {"steps/parts/rename.sql": plain.replace("users", "people"), "steps/005.sql": "\\ir parts/rename.sql\n"}
    )
    assert meaning(other.step("005").sql) != meaning(first)


def test_the_hash_of_the_runbook_is_that_of_the_file(book: Book, tmp_path: Path) -> None:
    for text in (TOML, "\ufeff" + TOML, TOML.replace("\n", "\r\n")):
        runbook = book({"runbook.toml": text})
        assert runbook.toml_sha256 == sha256((tmp_path / "book" / "runbook.toml").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda toml: f"# why\n\n{toml}\n# end",
        lambda toml: "\ufeff" + toml.replace("\n", "\r\n"),
        lambda toml: toml.replace(" = ", "   =\t"),
        lambda toml: toml.replace('"005"', "'005'"),
    ],
    ids=["comments", "windows", "white space", "quotes"],
)
def test_comments_and_white_space_of_the_runbook_do_not_count(book: Book, change: Callable[[str], str]) -> None:
    before, after = book({}), book({"runbook.toml": change(TOML)})
    assert before.toml_sha256 != after.toml_sha256
    assert runbook_meaning(before) == runbook_meaning(after)


def test_a_value_of_the_runbook_counts(book: Book) -> None:
    before = book({})
    title = next(step.title for step in before.steps)
    assert title in TOML
    after = book({"runbook.toml": TOML.replace(title, f"{title} ")})
    assert runbook_meaning(before) != runbook_meaning(after)
    assert runbook_meaning(before) != runbook_meaning(replace(before, toml=TOML.replace('"005"', '"5"')))


def test_the_sound_runbook_is_unlike_itself_with_any_script_changed() -> None:
    """One script's meaning is never another's."""
    scripts = [text for name, text in FILES.items() if name.endswith(".sql") and "\\" not in str(text)]
    assert len({of(str(text)) for text in scripts}) == len(set(map(str, scripts)))
