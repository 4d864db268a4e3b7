"""Lock waits made with real sessions: the edges are the server's own, and the words are right.

The widely copied self-join of pg_locks (the PostgreSQL wiki's "Lock Monitoring") answers wrongly in a queue: it names
only holders, or everybody with a lock on the same object, and never who merely stands before the waiter.
"""

from collections.abc import AsyncIterator

import pytest
from sessions import App, Stage

from tui.engine.locks import build_tree
from tui.engine.sample import LockNode, LockTree
from tui.engine.wait_graph import WaitGraph
from tui.postgres.embedded import EmbeddedServer


@pytest.fixture
async def stage(database_each: str) -> AsyncIterator[Stage]:
    async with Stage(database_each) as stage:
        await stage.app("setup", "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 0), (2, 0)")
        yield stage


async def drawn(stage: Stage, us: App | None) -> LockTree:
    """The tree of this moment, after its edges were found equal to what the server says."""
    our_pid = us.pid if us else None
    look = await stage.monitor.look([us.pid] if us else [])
    graph = WaitGraph(look.sessions, look.locks, look.blocking)
    edges = {
        waiter: {blocker if isinstance(blocker, int) else 0 for blocker in blockers}
        for waiter, blockers in graph.blocked_by.items()
    }
    assert edges == await stage.blocking_pids()
    return build_tree(look.sessions, look.locks, look.blocking, our_pid, prepared=look.prepared)


def outline(nodes: tuple[LockNode, ...]) -> list[object]:
    """Pids as nested lists: ``[1, [2, 3]]`` is 2 and 3 under 1."""
    found: list[object] = []
    for node in nodes:
        found.append(node.pid)
        if node.children:
            found.append(outline(node.children))
    return found


def only_child(node: LockNode) -> LockNode:
    (child,) = node.children
    return child


async def test_a_reader_before_our_alter_and_two_behind(stage: Stage) -> None:
    reader = await stage.app("billing", "BEGIN", "SELECT * FROM t")
    us = await stage.waiter("us", "BEGIN", "/* step 6 */ ALTER TABLE t RENAME COLUMN v TO w")
    first = await stage.waiter("web", "SELECT * FROM t")
    second = await stage.waiter("web", "UPDATE t SET v = 1")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [reader.pid, [us.pid, [first.pid, second.pid]]]
    (root,) = tree.roots
    assert (root.holds, root.wants, root.title) == (("ACCESS SHARE on t",), None, "billing")
    ours = only_child(root)
    assert (ours.ours, ours.soft, ours.title, ours.wants) == (True, False, "us", "ACCESS EXCLUSIVE on t")
    assert [child.soft for child in ours.children] == [True, True]
    assert [child.wants for child in ours.children] == ["ACCESS SHARE on t", "ROW EXCLUSIVE on t"]
    assert (tree.waiting_for_lock, tree.our_wants, tree.queued) == (True, "ACCESS EXCLUSIVE on t", 2)
    assert [node.pid for node in tree.blockers] == [reader.pid]
    assert tree.our_wait_seconds is not None
    assert tree.oldest is not None
    assert tree.oldest <= tree.our_wait_seconds
    assert tree.sentence.startswith(f"idle in transaction {reader.pid} (billing, 0.")
    assert "holds t; our ALTER waits 0." in tree.sentence
    assert "; 2 sessions wait behind us, the oldest 0." in tree.sentence


async def test_we_work_and_others_wait(stage: Stage) -> None:
    us = await stage.app("us", "BEGIN", "ALTER TABLE t ADD COLUMN w int")
    waiter = await stage.waiter("web", "SELECT * FROM t")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [us.pid, [waiter.pid]]
    assert only_child(tree.roots[0]).soft is False
    assert tree.roots[0].holds == ("ACCESS EXCLUSIVE on t",)
    assert (tree.waiting_for_lock, tree.queued, tree.blockers) == (False, 1, ())
    assert tree.sentence.startswith("1 session waits for us, 0.")


async def test_several_readers_before_us_are_all_drawn_and_our_queue_comes_last(stage: Stage) -> None:
    readers = [await stage.app("report", "BEGIN", "SELECT * FROM t") for _ in range(3)]
    us = await stage.waiter("us", "TRUNCATE t")
    waiter = await stage.waiter("web", "SELECT * FROM t")
    tree = await drawn(stage, us)
    pids = [reader.pid for reader in readers]
    assert outline(tree.roots) == [pids[1], pids[2], pids[0], [us.pid, [waiter.pid]]]
    assert [node.pid for node in tree.blockers] == pids
    assert f"{pids[0]} (report, 0." in tree.sentence
    assert ") and 2 more hold t; our TRUNCATE waits" in tree.sentence


async def test_somebody_in_the_queue_before_us_is_a_soft_blocker(stage: Stage) -> None:
    reader = await stage.app("report", "BEGIN", "SELECT * FROM t")
    vacuum = await stage.waiter("dba", "VACUUM FULL t")
    us = await stage.waiter("us", "ALTER TABLE t VALIDATE CONSTRAINT t_pkey")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [reader.pid, [vacuum.pid, [us.pid]]]
    assert only_child(only_child(tree.roots[0])).soft is True
    assert "stands before us in the queue for t" in tree.sentence
    assert f"{vacuum.pid} itself waits for idle in transaction {reader.pid}" in tree.sentence


async def test_an_upgrade_within_our_session(stage: Stage) -> None:
    us = await stage.app("us", "BEGIN", "SELECT * FROM t")
    writer = await stage.app("web", "BEGIN", "UPDATE t SET v = 1")
    other = await stage.waiter("dba", "BEGIN", "LOCK TABLE t")
    await stage.leave_waiting(us, "LOCK TABLE t IN SHARE MODE")
    tree = await drawn(stage, us)
    # What we hold already puts us before the one that has waited longer.
    assert outline(tree.roots) == [writer.pid, [us.pid, [other.pid]]]
    ours = only_child(tree.roots[0])
    assert ours.holds == ("ACCESS SHARE on t",)
    assert only_child(ours).soft is False


async def test_advisory_locks(stage: Stage) -> None:
    await stage.app("job", "SELECT pg_advisory_lock(-42), pg_advisory_lock(7, -1)")
    one = await stage.waiter("job", "SELECT pg_advisory_lock(-42)")
    two = await stage.waiter("job", "SELECT pg_advisory_lock_shared(7, -1)")
    tree = await drawn(stage, None)
    wants = {child.pid: child.wants for child in tree.roots[0].children}
    assert wants == {one.pid: "EXCLUSIVE on advisory lock -42", two.pid: "SHARE on advisory lock (7, -1)"}
    assert tree.sentence.startswith("2 sessions wait for locks, the oldest 0.")


async def test_a_row_with_a_queue_of_ten(stage: Stage) -> None:
    us = await stage.app("us", "BEGIN", "UPDATE t SET v = 1 WHERE id = 1")
    waiters = [await stage.waiter("web", "UPDATE t SET v = 2 WHERE id = 1") for _ in range(10)]
    tree = await drawn(stage, us)
    assert tree.queued == 10
    (root,) = tree.roots
    assert root.holds[0].startswith("transaction ")
    first = only_child(root)
    assert first.pid == waiters[0].pid
    assert first.wants == f"row (0,1) of t held by {root.holds[0]}"
    assert [child.wants for child in first.children] == ["EXCLUSIVE on row (0,1) of t"] * 9
    assert [child.pid for child in first.children] == [waiter.pid for waiter in waiters[1:]]
    assert tree.sentence.startswith("10 sessions wait for us, the oldest 0.")


async def test_a_foreign_key_waits_for_its_parent(stage: Stage) -> None:
    await stage.app("setup", "CREATE TABLE child (t_id int REFERENCES t)")
    us = await stage.app("us", "BEGIN", "DELETE FROM t WHERE id = 2")
    writer = await stage.waiter("web", "INSERT INTO child VALUES (2)")
    node = only_child((await drawn(stage, us)).roots[0])
    assert node.pid == writer.pid
    assert (node.wants or "").startswith("row (0,2) of t held by transaction ")


async def test_a_prepared_transaction_is_a_node_with_its_name(stage: Stage) -> None:
    await stage.app("setup", "BEGIN", "LOCK TABLE t", "PREPARE TRANSACTION 'left by [red]\x1b'")
    try:
        us = await stage.waiter("us", "ALTER TABLE t ADD COLUMN w int")
        tree = await drawn(stage, us)
        (root,) = tree.roots
        assert (root.pid, root.session, root.title) == (None, None, "prepared transaction left by [red]·")
        assert root.holds == ("ACCESS EXCLUSIVE on t",)
        assert only_child(root).ours
        assert tree.sentence.startswith("prepared transaction left by [red]· holds t; our ALTER waits")
    finally:
        await stage.app("setup", "ROLLBACK PREPARED 'left by [red]\x1b'")


async def test_concurrently_behind_an_old_snapshot(stage: Stage) -> None:
    old = await stage.app("report", "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
    us = await stage.waiter("us", "CREATE INDEX CONCURRENTLY ON t (v)")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [old.pid, [us.pid]]
    assert (tree.our_wants or "").startswith("the end of virtual transaction ")
    assert tree.roots[0].holds[0].startswith("virtual transaction ")
    assert "our CREATE waits" in tree.sentence


async def test_an_object_that_is_no_relation(stage: Stage) -> None:
    us = await stage.app("us", "CREATE SCHEMA private", "BEGIN", "DROP SCHEMA private")
    waiter = await stage.waiter("web", "CREATE TABLE private.x (id int)")
    node = only_child((await drawn(stage, us)).roots[0])
    assert (node.pid, node.wants) == (waiter.pid, "ACCESS SHARE on schema private")


async def test_a_parallel_query_is_one_session(stage: Stage) -> None:
    await stage.app("setup", "CREATE TABLE big AS SELECT generate_series(1, 200000) AS id", "ANALYZE big")
    reader = await stage.app(
        "report", "SET parallel_setup_cost = 0", "SET parallel_tuple_cost = 0", "SET min_parallel_table_scan_size = 0"
    )
    reader.send("SELECT count(*) FROM big WHERE id < 0 OR (id % 20000 = 0 AND pg_sleep(1) IS NULL)")
    look = await stage.until(lambda look: any(s.leader_pid == reader.pid for s in look.sessions))
    assert any(s.backend_type == "parallel worker" for s in look.sessions)
    us = await stage.waiter("us", "BEGIN", "LOCK TABLE big")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [reader.pid, [us.pid]]


async def test_locks_in_two_databases_do_not_mix(server: EmbeddedServer, stage: Stage) -> None:
    dsn = server.create_database("elsewhere2")
    try:
        await stage.app("web", "CREATE TABLE far (id int)", "BEGIN", "LOCK TABLE far", dsn=dsn)
        await stage.waiter("web", "SELECT * FROM far", dsn=dsn)
        us = await stage.app("us", "BEGIN", "LOCK TABLE t")
        here = await stage.waiter("web", "SELECT * FROM t")
        tree = await drawn(stage, us)
        assert outline(tree.roots) == [us.pid, [here.pid]]
        assert tree.queued == 1
        assert "; 1 session waits for locks elsewhere, 0." in tree.sentence
    finally:
        await stage.leave()
        server.drop_database("elsewhere2")


async def test_a_deadlock_is_drawn_once(stage: Stage) -> None:
    patient = "SET deadlock_timeout = '1min'"
    us = await stage.app("us", patient, "BEGIN", "UPDATE t SET v = 1 WHERE id = 1")
    other = await stage.app("web", patient, "BEGIN", "UPDATE t SET v = 1 WHERE id = 2")
    await stage.leave_waiting(us, "UPDATE t SET v = 1 WHERE id = 2")
    await stage.leave_waiting(other, "UPDATE t SET v = 1 WHERE id = 1")
    tree = await drawn(stage, us)
    (root,) = tree.roots
    again = only_child(only_child(root))
    assert {root.pid, only_child(root).pid} == {us.pid, other.pid}
    assert (again.pid, again.cycle, again.children) == (root.pid, True, ())
    assert tree.sentence.startswith("deadlock: we and UPDATE of ")


async def test_attaching_a_partition(stage: Stage) -> None:
    await stage.app(
        "setup", "CREATE TABLE p (id int) PARTITION BY RANGE (id)", "CREATE TABLE p1 (id int)",
        "CREATE TABLE d PARTITION OF p DEFAULT",
    )  # fmt: skip
    reader = await stage.app("report", "BEGIN", "SELECT * FROM d")
    us = await stage.waiter("us", "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (1) TO (2)")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [reader.pid, [us.pid]]
    assert tree.our_wants == "ACCESS EXCLUSIVE on d"


async def test_a_session_that_went_is_a_node_all_the_same(stage: Stage) -> None:
    holder = await stage.app("web", "BEGIN", "LOCK TABLE t")
    us = await stage.waiter("us", "SELECT * FROM t")
    look = await stage.monitor.look([us.pid])
    without = tuple(session for session in look.sessions if session.pid != holder.pid)
    tree = build_tree(without, look.locks, look.blocking, us.pid)
    assert (tree.roots[0].pid, tree.roots[0].session, tree.roots[0].title) == (holder.pid, None, "gone")
    assert tree.sentence.startswith(f"session {holder.pid} (gone) holds t; our SELECT waits")


async def test_nobody_waits(stage: Stage) -> None:
    us = await stage.app("us", "BEGIN", "SELECT * FROM t")
    tree = await drawn(stage, us)
    assert (tree.roots, tree.queued, tree.oldest) == ((), 0, None)
    assert tree.sentence == "nobody waits for a lock"


async def test_waits_that_are_not_ours(stage: Stage) -> None:
    us = await stage.app("us", "SELECT 1")
    await stage.app("web", "BEGIN", "LOCK TABLE t")
    await stage.waiter("web", "SELECT * FROM t")
    tree = await drawn(stage, us)
    assert tree.roots == ()
    assert tree.sentence.startswith("1 session waits for locks, not for us, 0.")


async def test_our_operator_does_not_count(stage: Stage) -> None:
    us = await stage.app("us", "BEGIN", "LOCK TABLE t")
    operator = await stage.waiter("lockstep operator", "SELECT * FROM t")
    look = await stage.monitor.look([us.pid])
    tree = build_tree(look.sessions, look.locks, look.blocking, us.pid, own={operator.pid})
    assert (tree.roots, tree.queued) == ((), 0)


async def test_a_wait_that_is_older_than_our_lock_counts_from_our_lock(stage: Stage) -> None:
    await stage.app("setup", "CREATE TABLE u (id int)")
    middle = await stage.app("web", "BEGIN", "LOCK TABLE u")
    last = await stage.waiter("web", "SELECT * FROM u")
    us = await stage.app("us", "BEGIN", "LOCK TABLE t")
    await stage.leave_waiting(middle, "SELECT * FROM t")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [us.pid, [middle.pid, [last.pid]]]
    node = only_child(only_child(tree.roots[0]))
    assert tree.queued == 2
    assert tree.oldest is not None
    assert node.wait_seconds is not None
    assert tree.oldest < node.wait_seconds
