"""Rows of the lock tree: nobody is lost, what waits alike is one row, and the cursor's row stays."""

from collections.abc import Hashable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_locks import everybody, session

from tui.engine.sample import LockNode
from tui.widgets.groups import MOST, Group, Kind, TreeRow, followed, shape, tree_rows

NAMES = ("web", "worker", "report")
QUERIES = ("SELECT * FROM t WHERE id = 1", "SELECT * FROM t WHERE id = 2", "UPDATE t SET v = 'x'", "")


def node(pid: int, *children: LockNode, name: str = "web", query: str = QUERIES[0], **changes: object) -> LockNode:
    made = LockNode(
        pid=pid,
        session=session(pid, application_name=name, query=query),
        title=name,
        holds=(),
        wants="ACCESS SHARE on t",
        wait_seconds=1.0,
        wait_approximate=False,
        soft=False,
        ours=False,
        children=children,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def queue(count: int, start: int = 1000, **changes: object) -> tuple[LockNode, ...]:
    return tuple(node(start + n, wait_seconds=9.0 - n * 0.001, **changes) for n in range(count))  # type: ignore[arg-type]


def groups(rows: list[TreeRow]) -> list[Group]:
    return [row.group for row in rows if row.group is not None]


def counted(rows: list[TreeRow]) -> int:
    singly = sum(row.node is not None and not row.node.cycle for row in rows)
    return singly + sum(group.sessions for group in groups(rows))


@st.composite
def forests(draw: st.DrawFn) -> tuple[LockNode, ...]:
    """Trees of up to 60 nodes, each under an earlier one or at the top; some close a circle, one may be ours."""
    count = draw(st.integers(0, 60))
    ours = draw(st.integers(0, 80))
    few = draw(st.integers(1, 4))
    below: dict[int, list[int]] = {n: [] for n in range(-1, count)}
    for n in range(count):
        below[draw(st.integers(-1, min(n - 1, few)))].append(n)
    made: dict[int, LockNode] = {}
    for n in reversed(range(count)):
        name, query = draw(st.sampled_from(NAMES)), draw(st.sampled_from(QUERIES))
        children: list[LockNode] = [made[child] for child in below[n]]
        if draw(st.booleans()) and children:
            children.append(node(n + 500, cycle=True))
        made[n] = node(n, *children, name=name, query=query, ours=n == ours, wait_seconds=draw(st.floats(0, 9)))
    return tuple(made[n] for n in below[-1])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(forests(), st.integers(1, 12), st.data())
def test_nobody_is_lost_and_the_rows_are_few(roots: tuple[LockNode, ...], most: int, data: st.DataObject) -> None:
    everyone = [one for one in everybody(roots) if not one.cycle]
    rows = tree_rows(roots, most=most)
    assert counted(rows) == len(everyone)
    assert len({row.key for row in rows}) == len(rows)
    assert all(row.group.sessions > 1 for row in rows if row.group is not None and row.group.kind is not None)
    for one in (one for one in everyone if one.ours):
        assert any(row.node is one for row in rows)
    for row in rows:
        if row.node is not None and len(row.node.children) > most + 1:
            kept = [child for child in row.node.children if child.cycle or any(n.ours for n in everybody((child,)))]
            shown = [other for other in rows if len(other.key) and _parent(other) == row.path]
            assert len(shown) <= max(most, len(kept) + max(1, most // 2) + 1)
    # Every group opened one after the other shows everybody, and nothing twice.
    unfolded: set[Hashable] = set()
    while folded := next((row for row in rows if row.group is not None), None):
        unfolded.add(folded.path if folded.group is None or folded.group.kind is None else folded.key)
        rows = tree_rows(roots, unfolded, most)
        assert counted(rows) == len(everyone)
    assert sorted(row.node.pid or 0 for row in rows if row.node and not row.node.cycle) == sorted(
        one.pid or 0 for one in everyone
    )
    if everyone:
        # Wherever the cursor is put, its row is there the next time, folded or not.
        key = data.draw(st.sampled_from([row.key for row in rows]))
        assert any(row.key == key for row in tree_rows(roots, most=most, cursor=key))


def _parent(row: TreeRow) -> tuple[int | str, ...]:
    return row.path[:-1] if row.node is not None else row.path


def test_few_stand_alone_as_they_are() -> None:
    root = node(1, *queue(MOST + 1), wants=None)
    assert [row.path for row in tree_rows((root,))] == [(1,), *((1, 1000 + n) for n in range(MOST + 1))]


def test_five_hundred_are_one_row_under_the_first_ones() -> None:
    root = node(1, *queue(400), *queue(100, 2000, name="worker", query="VACUUM t"), wants=None)
    rows = tree_rows((root,))
    assert len(rows) == 1 + MOST
    assert [row.node.pid for row in rows[1:-2] if row.node] == [1000 + n for n in range(MOST - 2)]
    kind = Kind("web", "ACCESS SHARE on t", "SELECT * FROM t WHERE id = ?")
    assert groups(rows)[0] == Group(kind, 400 - MOST + 2, 0, 9.0 - (MOST - 2) * 0.001, False)
    assert groups(rows)[1] == Group(Kind("worker", "ACCESS SHARE on t", "VACUUM t"), 100, 0, 9.0, False)
    assert [row.branch for row in rows[-2:]] == ["├─ ", "└─ "]


def test_soft_is_what_all_of_them_are() -> None:
    rows = tree_rows((node(1, *queue(200, soft=True), wants=None),))
    assert rows[-1].branch == "└┄ "
    rows = tree_rows((node(1, *queue(100, soft=True), *queue(100, 5000), wants=None),))
    assert rows[-1].branch == "└─ "


def test_what_differs_does_not_make_one_row() -> None:
    alike = queue(20)
    others = (
        *queue(20, 2000, wants="EXCLUSIVE on t"),
        *queue(20, 3000, name="worker"),
        *queue(20, 4000, query="VACUUM t"),
    )
    found = groups(tree_rows((node(1, *alike, *others, wants=None),)))
    assert len(found) == 4
    assert sorted(group.sessions for group in found) == [16, 20, 20, 20]


def test_of_many_kinds_the_largest_have_rows_and_the_others_one() -> None:
    children = [one for n in range(30) for one in queue(2 + (n % 7 == 3) * 40, 1000 * n, name=f"app {n}")]
    rows = tree_rows((node(999_999, *children, wants=None),))
    assert len(rows) == 1 + MOST
    *largest, others = groups(rows)
    assert [group.sessions for group in largest] == [42, 42, 42]
    assert others.kind is None
    assert counted(rows) == 1 + len(children)


def test_we_are_not_lost_among_those_that_wait_with_us() -> None:
    ours = node(7, *queue(3, 5000), ours=True)
    rows = tree_rows((node(1, *queue(300), ours, wants=None),))
    assert [row.path for row in rows[-4:]] == [(1, 7), (1, 7, 5000), (1, 7, 5001), (1, 7, 5002)]
    assert rows[-5].group is not None


def test_who_keeps_others_waiting_stands_before_those_who_do_not() -> None:
    busy = node(7, *queue(2, 5000), wait_seconds=0.1)
    rows = tree_rows((node(1, *queue(300), busy, wants=None),))
    assert (1, 7, 5001) in [row.key for row in rows]


def test_a_group_counts_those_behind_it_too() -> None:
    pairs = [node(n, node(n + 5000, wait_seconds=12.5, name="worker"), wait_seconds=2.0) for n in range(1000, 1100)]
    *_, last = groups(tree_rows((node(1, *pairs, wants=None),)))
    assert last.sessions == 2 * last.behind
    assert last.oldest == 12.5


def test_a_long_chain_goes_on_below_a_fold() -> None:
    chain = node(30)
    for pid in reversed(range(1, 30)):
        chain = node(pid, chain)
    rows = tree_rows((chain,))
    assert len(rows) == 12
    assert rows[-1].group == Group(None, 19, 18, 1.0, False)
    assert counted(rows) == 30
    unfolded: set[Hashable] = {rows[-1].path}
    assert len(tree_rows((chain,), unfolded)) == 23
    whole = tree_rows((chain,), cursor=tuple(range(1, 31)))
    assert [row.path[-1] for row in whole] == list(range(1, 31))
    assert [row.branch for row in whole[5:8]] == ["            └─ ", "               └─ ", " 8…            └─ "]


def test_five_thousand_deep() -> None:
    chain = node(5000)
    for pid in reversed(range(1, 5000)):
        chain = node(pid, chain)
    assert counted(tree_rows((chain,))) == 5000


def test_many_trees_are_grouped_like_any_others() -> None:
    roots = [node(n, node(n + 5000), wants=None, wait_seconds=None) for n in range(1, 2000)]
    rows = tree_rows(roots)
    assert len(rows) < 3 * MOST
    assert counted(rows) == 2 * 1999


def test_two_prepared_transactions_are_told_apart() -> None:
    made = [replace(node(0), pid=None, session=None, virtualtransaction=f"-1/{n}") for n in (1, 2)]
    assert [row.key for row in tree_rows(made)] == [("-1/1",), ("-1/2",)]


class TestCursor:
    def test_its_row_does_not_go_into_a_group(self) -> None:
        rows = tree_rows((node(1, *queue(300), wants=None),), cursor=(1, 1250))
        assert (1, 1250) in [row.key for row in rows]

    def test_it_stays_on_a_group_that_grows(self) -> None:
        before = tree_rows((node(1, *queue(300), wants=None),))
        key = before[-1].key
        after = tree_rows((node(1, *queue(5000), wants=None),), cursor=key)
        assert followed(after, key) == key

    def test_it_follows_a_session_to_another_tree_and_out_of_a_group(self) -> None:
        there = tree_rows((node(2, *queue(300), wants=None),), cursor=(1, 1250))
        assert followed(there, (1, 1250)) == (2, 1250)

    def test_a_group_that_fell_apart_leaves_it_on_one_of_its_own(self) -> None:
        key = tree_rows((node(1, *queue(300), wants=None),))[-1].key
        after = tree_rows((node(1, node(9, name="report"), *queue(3), wants=None),), cursor=key)
        assert followed(after, key) == (1, 1000)

    def test_a_group_goes_along_with_its_parent(self) -> None:
        key = tree_rows((node(1, *queue(300), wants=None),))[-1].key
        after = tree_rows((node(2, *queue(300), wants=None),), cursor=key)
        assert followed(after, key) == ("more", (2,), key[-1])

    def test_what_is_gone_takes_it_along(self) -> None:
        rows = tree_rows((node(1, *queue(3), wants=None),))
        assert followed(rows, (1, 77)) is None
        assert followed(rows, ("more", (8,), Kind("x", "y", "z"))) is None
        assert followed(rows, None) is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT * FROM t WHERE id = 4711", "SELECT * FROM t WHERE id = ?"),
        ("SELECT  1,\n\t2 , 3", "SELECT ?, …"),
        ("SELECT * FROM t WHERE id IN ($1, $2)", "SELECT * FROM t WHERE id IN (?, …)"),
        ("/* route=7 */ UPDATE t -- x\nSET v = 'it''s' /*a/*b*/c*/", "UPDATE t SET v = ?"),
        ("SELECT $tag$ it's $tag$, E'\\'', \"a b\"", 'SELECT ?, …, "a b"'),
        ("SELECT 'cut o", "SELECT …"),
        ("", ""),
    ],
)
def test_the_shape_of_a_query(query: str, expected: str) -> None:
    assert shape(query) == expected


@settings(deadline=None)
@given(st.text(max_size=600))
def test_any_text_has_a_shape(text: str) -> None:
    assert len(shape(text)) <= 2 * len(text) + 2
