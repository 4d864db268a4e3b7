"""The filter of the watch console: what its words mean, what is refused, and that a tree stays whole."""

import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.engine.filter import KEYS, Filter, FilterRefused, Word, parse
from tui.engine.sample import LockNode
from tui.postgres.rows import Session

WEB = Session(
    pid=4242,
    leader_pid=None,
    backend_start=None,
    user="App_User",
    database="shop",
    application_name="Web Front",
    client="10.0.0.7",
    state="idle in transaction",
    wait_event_type="Client",
    wait_event="ClientRead",
    transaction_seconds=12.0,
    state_seconds=3.0,
    backend_xid=None,
    backend_type="client backend",
    query="SELECT *\n  FROM orders\n ORDER BY created_at",
)


def node(session: Session | None, *children: LockNode, **more: Any) -> LockNode:
    pid = session.pid if session is not None else None
    base = LockNode(pid, session, session.application_name if session else "", (), None, None, False, False, False)
    return replace(base, children=children, **more)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", True),
        ("   ", True),
        ("db:shop", True),
        ("DB:SHOP", True),
        ("db:ho", True),
        ("db:shop2", False),
        ("role:app_", True),
        ("role:postgres", False),
        ('app:"web front"', True),
        ('app:"web', True),
        ("app:front", True),
        ("pid:4242", True),
        ("pid:424", False),
        ("state:idle", False),
        ("state:trans", True),
        ("-state:idle", True),
        ('state:"idle in transaction"', True),
        ("state:active", False),
        ("orders", True),
        ("ORDERS", True),
        ('"order by"', True),
        ('"by order"', False),
        ("front", True),
        # Where it comes from is no part of what plain text looks at, nor are the database and the role.
        ("10.0.0.7", False),
        ("shop", False),
        ("-db:shop", False),
        ("-db:other", True),
        ("-orders", False),
        ('-"order by"', False),
        ("-pid:1", True),
        ("db:shop role:app state:trans orders", True),
        ("db:shop -state:trans", False),
        ("db:sh db:op", True),
        ("db:sh db:other", False),
        ('"a:b"', False),
        ("a-b", False),
        ("created_at", True),
    ],
)
def test_what_passes(text: str, passes: bool) -> None:
    assert parse(text).matches(WEB) is passes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("user:x", "no user: there are db: role: app: pid: state:"),
        ("db:a http://x", "no http: there are"),
        ("-foo:x", "no foo:"),
        ("db:", "db: needs a value"),
        ('db:""', "db: needs a value"),
        ("-db:", "db: needs a value"),
        ("-", "- needs a word behind it"),
        ('""', '"" needs a word behind it'),
        ("pid:x", "pid: takes a number, not x"),
        ("pid:-1", "pid: takes a number, not -1"),
        ("pid:٣", "pid: takes a number"),
    ],
)
def test_what_is_refused(text: str, told: str) -> None:
    with pytest.raises(FilterRefused) as refused:
        parse(text)
    assert told in str(refused.value)


def test_no_word_is_no_filter() -> None:
    assert not parse("  ")
    assert parse(" db:x ").text == "db:x"
    assert Filter() == parse("")


def test_what_another_session_hides_matches_nothing_of_it() -> None:
    hidden = replace(WEB, application_name="", state="", query="<insufficient privilege>")
    assert not parse("state:idle").matches(hidden)
    assert parse("-state:idle").matches(hidden)


def test_a_tree_is_kept_whole_where_any_of_its_nodes_matches() -> None:
    other = replace(WEB, pid=7, application_name="job", database="jobs")
    deep = node(other, node(replace(other, pid=8), node(WEB)))
    lone = node(replace(other, pid=9))
    roots = (deep, lone)
    assert parse("db:shop").kept(roots) == (deep,)
    assert parse("db:jobs").kept(roots) == roots
    assert parse("pid:9").kept(roots) == (lone,)
    assert parse("db:nowhere").kept(roots) == ()
    assert parse("").kept(roots) is roots


def test_a_prepared_transaction_and_a_pid_that_is_gone_have_a_name_and_a_number() -> None:
    prepared = node(None, node(WEB), title="prepared transaction nightly")
    gone = node(None, title="gone", pid=77)
    assert parse("nightly").kept((prepared, gone)) == (prepared,)
    assert parse("pid:77").kept((prepared, gone)) == (gone,)
    assert parse("role:app").kept((prepared, gone)) == (prepared,)
    assert parse("db:x").kept((gone,)) == ()


def test_a_chain_of_thousands_is_no_recursion() -> None:
    tree = node(WEB)
    for pid in range(1, 5000):
        tree = node(replace(WEB, pid=pid, database="other"), tree)
    assert parse("pid:4242 db:shop").kept((tree,)) == (tree,)


@given(st.text())
def test_any_text_is_a_filter_or_is_refused_in_words(text: str) -> None:
    told = "none"
    try:
        parse(text).matches(WEB)
    except FilterRefused as refused:
        told = str(refused)
    assert told


_VALUES = st.text(string.ascii_letters + string.digits + " :-_'%", min_size=1).filter(str.strip)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([key for key in KEYS if key != "pid"] + [""]), _VALUES)))
def test_what_is_written_in_quotes_is_read_as_it_was_meant(wanted: list[tuple[bool, str, str]]) -> None:
    text = " ".join(f'{"-" * no}{key}{":" * bool(key)}"{value}"' for no, key, value in wanted)
    assert parse(text).words == tuple(Word(key, value.casefold(), no) for no, key, value in wanted)


@given(st.lists(st.sampled_from(["db:shop", "-db:shop", "state:idle", "orders", "-orders", "pid:4242"]), max_size=4))
def test_more_words_never_let_more_through(words: list[str]) -> None:
    if parse(" ".join(words)).matches(WEB):
        assert all(parse(word).matches(WEB) for word in words)
