"""The lines of a TOML file, judged against the file's own comments and against tomllib."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.runbook.toml_lines import Key, Place, locate

TRICKY = '''\
# [[step]] in a comment
name = "a # no comment [[step]]"
literal = 'C:\\[[step]]'  # = 1
long = """
[[step]]
title = "no key" \\"""
x"""""
short = """one
[[step]]"""
quiet = \'\'\'
[step]
it's \\ ''\'\'\'
"quoted key".'and "another"'.plain = 1
"esc\\u0061pe\\t" = 2
when = 1979-05-27 07:32:00  # a space in it
inline = { a = 1, "b.c" = { d = [1, { e = "}" }] }, f.g = "]" }

[[step]]
id = "one"
list = [
  "x", # ]
  # [[step]]
  [1, 2],
  { k = "v" },
]

[step.safety]
lock = 1
  [[ step . "part" ]]
  n = 1
  [[step.part]]
  n = 2
  [step.part.deep]
  z = 0

[[step]]
id = "two"
safety.lock = 2
safety.other = 3

[a.b.c]
d = 1
[a]
e = ""
'''


def paths(value: Any, at: tuple[Key, ...] = ()) -> set[tuple[Key, ...]]:
    """All tables, keys and elements of a parsed TOML file."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {at} if at else set()
    for key, below in inner:
        found |= paths(below, (*at, key))
    return found


def test_finds_every_key_that_tomllib_finds_and_no_other() -> None:
    assert set(locate(TRICKY)) == paths(tomllib.loads(TRICKY))


@pytest.mark.parametrize(
    ("at", "begins"),
    [
        (("name",), "name ="),
        (("literal",), "literal ="),
        (("short",), "short ="),
        (("quoted key", 'and "another"', "plain"), '"quoted key"'),
        (("escape\t",), '"esc'),
        (("inline", "b.c", "d", 1, "e"), "inline ="),
        (("inline", "f"), "inline ="),
        (("step", 0), "[[step]]"),
        (("step", 0, "list", 0), '"x"'),
        (("step", 0, "list", 1), "[1, 2]"),
        (("step", 0, "list", 2, "k"), '{ k = "v" }'),
        (("step", 0, "safety"), "[step.safety]"),
        (("step", 0, "part", 0), '[[ step . "part" ]]'),
        (("step", 0, "part", 1, "n"), "n = 2"),
        (("step", 0, "part", 1, "deep", "z"), "z = 0"),
        (("step", 1, "id"), 'id = "two"'),
        (("step", 1, "safety"), "safety.lock"),
        (("step", 1, "safety", "other"), "safety.other"),
        (("a", "b"), "[a.b.c]"),
        (("a", "e"), 'e = ""'),
    ],
)
def test_names_the_line_where_it_stands(at: tuple[Key, ...], begins: str) -> None:
    assert TRICKY.split("\n")[locate(TRICKY)[at].line - 1].strip().startswith(begins)


def test_names_the_first_line_of_a_long_text() -> None:
    places = locate(TRICKY)
    assert places[("long",)] == Place(4, 5)
    assert places[("short",)] == Place(8, 8)
    assert places[("quiet",)] == Place(10, 11)


KEYS = st.sampled_from(["a", "b", '"c d"', "'e'", "a.b", '"a"."x.y"'])
SCALARS = st.sampled_from(['"x"', "'y]'", "1", "true", "1.5", '"""\nm\n"""', "'''#'''", "07:32:00", '"\\""', '""'])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[ # c\n" + ",\n ".join(items) + "]"),
        st.lists(st.tuples(KEYS, inner), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{key} = {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=8,
)
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]} # {pair[0]} = 1"),
    KEYS.map(lambda key: f"[{key}]"),
    KEYS.map(lambda key: f" [[ {key} ]] "),
    st.just(""),
)


@given(st.lists(LINES, max_size=8).map("\n".join))
def test_agrees_with_tomllib_on_any_document(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(locate(text)) == paths(document)
