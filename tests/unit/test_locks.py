"""The tree of locks from made-up looks: any graph is drawn, everybody once, always the same."""

import re
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.engine.lock_words import conflict, duration, held, wanted, what
from tui.engine.locks import build_tree
from tui.engine.sample import LockNode
from tui.postgres.rows import Lock, Session
from tui.runbook.foreseen import MODES

US = 100


def session(pid: int, **changes: object) -> Session:
    made = Session(
        pid=pid,
        leader_pid=None,
        backend_start=None,
        user="app",
        database="app",
        application_name=f"web{pid}",
        client="",
        state="active",
        wait_event_type="",
        wait_event="",
        transaction_seconds=60.0,
        state_seconds=7.0,
        backend_xid=None,
        backend_type="client backend",
        query="SELECT 1",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def lock(pid: int | None, mode: str, granted: bool, wait: float | None = None, **changes: object) -> Lock:
    made = Lock(
        pid=pid,
        locktype="relation",
        database=5,
        relation_oid=16400,
        relation="t",
        detail="",
        mode=mode,
        granted=granted,
        fastpath=False,
        wait_seconds=wait,
        virtualtransaction="3/42",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def everybody(nodes: tuple[LockNode, ...]) -> list[LockNode]:
    found: list[LockNode] = []
    ahead = list(nodes)
    while ahead:
        node = ahead.pop()
        found.append(node)
        ahead.extend(node.children)
    return found


def reachable(edges: dict[int, tuple[int, ...]], start: int) -> set[int]:
    found: set[int] = set()
    ahead = [start]
    while ahead:
        for following in edges.get(ahead.pop(), ()):
            if following not in found:
                found.add(following)
                ahead.append(following)
    return found


GRAPHS = st.dictionaries(
    st.integers(95, 110), st.sets(st.integers(95, 110), min_size=1, max_size=4).map(tuple), max_size=12
).map(lambda graph: {w: tuple(b for b in blockers if b != w) for w, blockers in graph.items() if set(blockers) - {w}})


@settings(deadline=None)
@given(GRAPHS, st.sampled_from([US, None]), st.randoms())
def test_any_graph_is_drawn_with_everybody_once(
    blocking: dict[int, tuple[int, ...]], our_pid: int | None, random: Random
) -> None:
    sessions = [session(pid) for pid in range(95, 108)]
    tree = build_tree(sessions, (), blocking, our_pid)
    nodes = everybody(tree.roots)
    drawn = Counter(node.pid for node in nodes if not node.cycle)
    blocks: dict[int, tuple[int, ...]] = {}
    for waiter, blockers in blocking.items():
        for blocker in blockers:
            blocks[blocker] = (*blocks.get(blocker, ()), waiter)
    if our_pid is None:
        expected = set(blocking) | set(blocks)
    else:
        above, below = reachable(blocking, our_pid), reachable(blocks, our_pid)
        expected = above | below | {our_pid} if above or below else set()
        assert tree.queued == len(below - {our_pid})
    assert set(drawn) == expected
    assert set(drawn.values()) <= {1}
    for node in nodes:
        for child in node.children:
            assert child.pid is not None
            assert node.pid in blocking[child.pid]
        assert not (node.cycle and node.children)
    roots = [root.pid for root in tree.roots]
    if our_pid in drawn:
        assert US in {node.pid for node in everybody(tree.roots[-1:])}
    for pid in expected:
        if pid not in blocking:
            assert pid in roots
    shuffled = list(sessions)
    random.shuffle(shuffled)
    items = list(blocking.items())
    random.shuffle(items)
    assert build_tree(shuffled, (), dict(items), our_pid) == tree


@settings(deadline=None)
@given(GRAPHS)
def test_every_circle_closes_below_the_one_that_it_began_with(blocking: dict[int, tuple[int, ...]]) -> None:
    tree = build_tree([session(pid) for pid in range(95, 108)], (), blocking, None)
    closed = 0
    ahead: list[tuple[LockNode, tuple[int | None, ...]]] = [(root, ()) for root in tree.roots]
    while ahead:
        node, above = ahead.pop()
        assert node.cycle == (node.pid in above)
        closed += node.cycle
        ahead += [(child, (*above, node.pid)) for child in node.children]
    in_circle = [pid for pid in blocking if pid in reachable(blocking, pid)]
    assert bool(closed) == bool(in_circle)
    for root in tree.roots:
        assert root.pid not in blocking or root.pid in in_circle


def test_five_thousand_in_a_chain() -> None:
    blocking = {pid: (pid - 1,) for pid in range(2, 5000)}
    tree = build_tree([session(pid) for pid in range(1, 5000)], (), blocking, 2500)
    assert tree.queued == 2499
    assert len(everybody(tree.roots)) == 4999


def test_a_queue_that_all_wait_for_each_other_is_flat() -> None:
    locks = [lock(US, MODES[7], True)] + [lock(pid, MODES[7], False, 1.0) for pid in range(101, 151)]
    blocking = {pid: (US, *range(101, pid)) for pid in range(101, 151)}
    (root,) = build_tree([session(pid) for pid in range(US, 151)], locks, blocking, US).roots
    assert [child.pid for child in root.children] == list(range(101, 151))
    assert not any(child.soft or child.children for child in root.children)


def test_without_the_locks_the_wait_is_approximate_and_the_edge_hard() -> None:
    tree = build_tree([session(1), session(US, query="ALTER TABLE t …")], (), {US: (1,)}, US)
    assert tree.our_wait_seconds == 7.0
    ours = tree.roots[0].children[0]
    assert (ours.wait_approximate, ours.soft, ours.wants) == (True, False, None)
    assert "our ALTER waits about 7.0 s" in tree.sentence


def test_a_wait_that_just_began_is_not_as_old_as_its_statement() -> None:
    locks = [lock(1, MODES[0], True), lock(US, MODES[7], False, None)]
    tree = build_tree([session(1), session(US)], locks, {US: (1,)}, US)
    assert tree.our_wait_seconds == 0.0
    assert tree.roots[0].children[0].wait_approximate


def test_without_pg_stat_activity_the_queue_is_still_counted() -> None:
    locks = [lock(US, MODES[7], True), lock(1, MODES[0], False, 4.0)]
    tree = build_tree((), locks, {1: (US,)}, US)
    assert (tree.queued, tree.oldest) == (1, 4.0)
    assert tree.roots[0].children[0].title == "session"


def test_parallel_workers_are_their_leader() -> None:
    worker = session(7, leader_pid=1, backend_type="parallel worker")
    locks = [lock(7, MODES[0], True), lock(US, MODES[7], False, 2.0), lock(8, MODES[0], False, 1.0)]
    behind = session(8, leader_pid=9, backend_type="parallel worker")
    tree = build_tree([session(1), worker, session(US), session(9), behind], locks, {US: (1, 7), 8: (US,)}, US)
    (root,) = tree.roots
    assert (root.pid, root.holds, root.children[0].soft) == (1, ("ACCESS SHARE on t",), False)
    assert [node.pid for node in root.children[0].children] == [9]
    assert tree.queued == 1


def test_autovacuum_behind_us_is_drawn_and_not_counted() -> None:
    vacuum = session(1, backend_type="autovacuum worker", application_name="")
    locks = [lock(US, MODES[7], True), lock(1, MODES[3], False, 9.0)]
    tree = build_tree([vacuum, session(US)], locks, {1: (US,)}, US)
    assert (tree.queued, tree.oldest) == (0, None)
    assert tree.roots[0].children[0].pid == 1


def test_two_prepared_transactions_are_two_nodes() -> None:
    locks = [
        lock(None, MODES[0], True, virtualtransaction="5/1"),
        lock(None, MODES[2], True, virtualtransaction="6/1"),
        lock(None, MODES[6], True, locktype="transactionid", detail="4711", virtualtransaction="5/1"),
        lock(None, MODES[6], True, locktype="transactionid", detail="4712", virtualtransaction="6/1"),
        lock(US, MODES[7], False, 2.0),
    ]
    tree = build_tree([session(US)], locks, {US: (0,)}, US, prepared={"4711": "left over"})
    assert [node.title for node in tree.blockers] == ["prepared transaction left over", "prepared transaction 4712"]
    assert all(node.pid is None for node in tree.blockers)
    (unknown,) = build_tree([session(US)], (), {US: (0,)}, US).blockers
    assert unknown.title == "prepared transaction"


def test_a_long_wait_counts_only_for_as_long_as_we_were_in_the_way() -> None:
    locks = [
        lock(US, MODES[7], True),
        lock(1, MODES[0], False, 1.5),
        lock(1, MODES[7], True, relation_oid=2, relation="u"),
        lock(2, MODES[0], False, 600.0, relation_oid=2, relation="u"),
    ]
    tree = build_tree([session(1), session(2), session(US)], locks, {1: (US,), 2: (1,)}, US)
    assert (tree.queued, tree.oldest) == (2, 1.5)
    young = session(US, transaction_seconds=0.5)
    assert build_tree([session(1), session(2), young], locks, {1: (US,), 2: (1,)}, US).oldest == 0.5


# The table of PostgreSQL's documentation, "Conflicting Lock Modes": a row and a column for each mode.
TABLE = [".......x", "......xx", "....xxxx", "...xxxxx", "..xx.xxx", "..xxxxxx", ".xxxxxxx", "xxxxxxxx"]


@pytest.mark.parametrize("row", range(8))
def test_conflicts_are_those_of_the_documentation(row: int) -> None:
    assert [conflict(MODES[row], other) for other in MODES] == [mark == "x" for mark in TABLE[row]]
    assert not conflict(MODES[row], "SIReadLock")


def test_every_kind_of_lock_has_words() -> None:
    def of(kind: str, detail: str = "", relation: str = "t") -> Lock:
        return lock(1, "ShareLock", False, locktype=kind, detail=detail, relation=relation)

    assert what(of("relation")) == "t"
    assert what(of("extend")) == "the extension of t"
    assert what(of("page", "12")) == "page 12 of t"
    assert what(of("tuple", "(12,5)")) == "row (12,5) of t"
    assert what(of("object", "2615/2200/0", "schema private")) == "schema private"
    assert what(of("spectoken", "4711/1", "")) == "the row that transaction 4711 is inserting"
    assert what(of("applytransaction", "4711", "")) == "applytransaction 4711"
    assert held(of("advisory", "(1, 2)")) == "SHARE on advisory lock (1, 2)"
    assert held(of("transactionid", "4711")) == "transaction 4711"
    row = lock(1, "ExclusiveLock", True, locktype="tuple", detail="(0,5)", relation="requests")
    assert wanted(of("transactionid", "4711"), [row]) == "row (0,5) of requests held by transaction 4711"
    assert wanted(of("transactionid", "4711"), []) == "the end of transaction 4711"
    assert wanted(of("virtualxid", "3/42"), []) == "the end of virtual transaction 3/42"


def test_durations_in_words() -> None:
    assert [duration(s) for s in (0.04, 2.44, 59.9, 840.0, 11_100.0)] == [
        "0.0 s",
        "2.4 s",
        "59.9 s",
        "14 min",
        "3 h 05 min",
    ]


def test_the_sentence_of_the_night() -> None:
    report = session(1, application_name="billing_report", state="idle in transaction", transaction_seconds=842.0)
    ours = session(US, query="-- step 006\n/* rename */ alter table client_profiles …", transaction_seconds=2.5)
    behind = [session(pid) for pid in range(101, 118)]
    locks = [lock(1, MODES[0], True), lock(US, MODES[7], False, 2.42)]
    locks += [lock(s.pid, MODES[0], False, 2.1 if s.pid == 101 else 1.0) for s in behind]
    locks = [replace(one, relation="client_profiles") for one in locks]
    tree = build_tree([report, ours, *behind], locks, {US: (1,), **{s.pid: (US,) for s in behind}}, US)
    assert tree.sentence == (
        "idle in transaction 1 (billing_report, 14 min) holds client_profiles; our ALTER waits 2.4 s; "
        "17 sessions wait behind us, the oldest 2.1 s"
    )


def on(thing: str, oid: int, pid: int, mode: str, granted: bool, wait: float | None = None) -> Lock:
    return lock(pid, mode, granted, wait, relation=thing, relation_oid=oid)


def test_the_sentence_where_nobody_of_ours_is_concerned() -> None:
    report = session(4242, application_name="billing", state="idle in transaction", transaction_seconds=842.0)
    job = session(7, application_name="job", state="idle in transaction", transaction_seconds=3.0)
    quick = session(8, application_name="job", query="UPDATE u SET v = 1", transaction_seconds=1.5)
    locks = [
        on("client_profiles", 1, 4242, MODES[7], True),
        on("few", 2, 7, MODES[7], True),
        on("u", 3, 8, MODES[7], True),
    ]
    locks += [on("client_profiles", 1, pid, MODES[0], False, 6.2 - (pid - 101) * 0.1) for pid in range(101, 118)]
    locks += [on("few", 2, pid, MODES[0], False, 1.1) for pid in range(201, 205)]
    locks += [on("u", 3, 301, MODES[0], False, 0.9)]
    waiting = [*range(101, 118), *range(201, 205), 301]
    blocking = {pid: (4242,) if pid < 200 else (7,) if pid < 300 else (8,) for pid in waiting}
    sessions = [report, job, quick, *map(session, waiting)]
    tree = build_tree(sessions, locks, blocking, None)
    assert tree.sentence == (
        "idle in transaction 4242 (billing, 14 min) holds client_profiles; "
        "17 sessions wait behind it, the oldest 6.2 s; 2 more trees, 5 sessions, the oldest 1.1 s"
    )
    assert [root.pid for root in tree.roots] == [4242, 7, 8]
    one = build_tree([quick, session(301)], locks, {301: (8,)}, None)
    assert one.sentence == "UPDATE of 8 (job, 1.5 s) holds u; 1 session waits behind it, 0.9 s"


def test_roots_with_as_many_behind_them_go_by_who_has_waited_longest() -> None:
    locks = [on("a", 1, 1, MODES[7], True), on("b", 2, 2, MODES[7], True)]
    locks += [on("a", 1, 11, MODES[7], False, 1.0), on("b", 2, 12, MODES[7], False, 9.0)]
    sessions = [session(pid) for pid in (1, 2, 11, 12)]
    tree = build_tree(sessions, locks, {11: (1,), 12: (2,)}, None)
    assert [root.pid for root in tree.roots] == [2, 1]
    assert tree.sentence == (
        "SELECT of 2 (web2, 1 min) holds b; 1 session waits behind it, 9.0 s; 1 more tree, 1 session, 1.0 s"
    )


def test_holders_of_one_thing_are_counted_as_one_tree() -> None:
    locks = [on("t", 1, pid, MODES[0], True) for pid in (1, 2, 3)] + [on("t", 1, 9, MODES[7], False, 2.0)]
    sessions = [session(pid, transaction_seconds=float(pid)) for pid in (1, 2, 3, 9)]
    tree = build_tree(sessions, locks, {9: (1, 2, 3)}, None)
    assert tree.sentence.endswith(" and 2 more hold t; 1 session waits behind them, 2.0 s")
    ours = build_tree(sessions, locks, {9: (1, 2, 3)}, 9)
    # The oldest transaction is named, and it is the one that a key of the console would end.
    assert ours.sentence == "SELECT of 3 (web3, 3.0 s) and 2 more hold t; our SELECT waits 2.0 s"
    assert [node.pid for node in ours.blockers] == [3, 2, 1]


def test_who_holds_something_else_further_down_is_not_said_to_hold_the_same() -> None:
    locks = [on("t", 1, 1, MODES[7], True), on("u", 2, 2, MODES[0], True), on("u", 2, 5, MODES[0], True)]
    locks += [on("t", 1, 5, MODES[7], False, 3.0), on("u", 2, 6, MODES[7], False, 2.0)]
    tree = build_tree([session(pid) for pid in (1, 2, 5, 6)], locks, {5: (1,), 6: (2, 5)}, None)
    assert "SELECT of 1 (web1, 1 min) holds t; 2 sessions wait behind it, the oldest 3.0 s" in tree.sentence


def test_a_deadlock_whose_members_wait_for_a_third_one_too() -> None:
    """Two that hold a lock and want more of it, and a reader: it is he whom both wait for, and each other."""
    blocking = {2: (1, 3), 3: (1, 2)}
    tree = build_tree([session(pid) for pid in (1, 2, 3)], (), blocking, None)
    (root,) = tree.roots
    (first,) = root.children
    (second,) = first.children
    assert (root.pid, first.pid, second.pid) == (1, 3, 2)
    assert [(again.pid, again.cycle) for again in second.children] == [(3, True)]
    assert tree.sentence == (
        "SELECT of 1 (web1, 1 min) is in the way; 2 sessions wait behind it, the oldest 7.0 s; "
        "deadlock: SELECT of 2 (web2, 1 min) and SELECT of 3 (web3, 1 min) wait for each other"
    )
    ours = build_tree([session(pid) for pid in (1, 2, 3)], (), blocking, 2)
    assert ours.sentence.startswith("deadlock: we and SELECT of 3 (web3, 1 min) wait for each other; our SELECT waits")


def test_a_large_deadlock_names_three() -> None:
    pids = range(1, 8)
    tree = build_tree([session(pid) for pid in pids], (), {pid: (pid % 7 + 1,) for pid in pids}, None)
    assert tree.sentence == (
        "deadlock: SELECT of 7 (web7, 1 min), SELECT of 1 (web1, 1 min), SELECT of 2 (web2, 1 min) and 4 more "
        "wait in a circle"
    )
    ours = build_tree([session(pid) for pid in pids], (), {pid: (pid % 7 + 1,) for pid in pids}, 5).sentence
    assert ours.startswith(
        "deadlock: we, SELECT of 6 (web6, 1 min), SELECT of 7 (web7, 1 min) and 4 more wait in a circle;"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": "idle in transaction (aborted)"}, "idle in transaction (aborted) 1 (web1, 1 min)"),
        ({"state": "idle", "transaction_seconds": None, "state_seconds": 840.0}, "idle session 1 (web1, 14 min)"),
        ({"query": "-- x\n(select 1)"}, "session 1 (web1, 1 min)"),
        ({"backend_type": "walsender", "application_name": "r1"}, "walsender 1 (r1, 1 min)"),
        (
            {"backend_type": "autovacuum worker", "application_name": "", "user": ""},
            "autovacuum worker 1 (1 min)",
        ),
        (
            {"state": "", "backend_type": "", "query": "<insufficient privilege>", "transaction_seconds": None},
            "session 1 (web1)",
        ),
    ],
)
def test_who_it_is(changes: dict[str, object], expected: str) -> None:
    tree = build_tree([session(1, **changes), session(2)], (), {2: (1,)}, None)
    assert tree.sentence == f"{expected} is in the way; 1 session waits behind it, 7.0 s"


@settings(deadline=None)
@given(GRAPHS, st.booleans())
def test_the_sentence_counts_everybody_once(blocking: dict[int, tuple[int, ...]], known: bool) -> None:
    locks = [lock(waiter, MODES[7], False, float(waiter)) for waiter in blocking] if known else []
    said = build_tree([session(pid) for pid in range(95, 108)], locks, blocking, None).sentence
    if not blocking:
        assert said == "nobody waits for a lock"
        return
    # Who waits in the circle that is named is not counted besides.
    named = 0
    if said.startswith("deadlock"):
        circle = said.partition(" wait ")[0]
        named = len(re.findall(r" of \d+ \(|session \d+ \(gone\)", circle))
        named += sum(map(int, re.findall(r" and (\d+) more$", circle)))
    counts = [int(count) for count in re.findall(r"(?:^|; |, )(\d+) sessions?(?: wait|,)", said)]
    assert named + sum(counts) == len(blocking)
