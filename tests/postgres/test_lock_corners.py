"""Corners of the lock tree, made with real sessions: queues, circles, sessions that went, and several trees at once."""

from collections.abc import AsyncIterator

import pytest
from lock_truth import drawn, everybody, only_child, outline, peers
from sessions import App, Stage

from tui.engine.locks import build_tree


@pytest.fixture
async def stage(database_each: str) -> AsyncIterator[Stage]:
    async with Stage(database_each) as stage:
        await stage.app("setup", "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 0), (2, 0)")
        yield stage


async def test_we_work_and_others_wait(stage: Stage) -> None:
    us = await stage.app("us", "BEGIN", "ALTER TABLE t ADD COLUMN w int")
    waiter = await stage.waiter("web", "SELECT * FROM t")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [us.pid, [waiter.pid]]
    assert only_child(tree.roots[0]).soft is False
    assert tree.roots[0].holds == ("ACCESS EXCLUSIVE on t",)
    assert (tree.waiting_for_lock, tree.queued, tree.blockers) == (False, 1, ())
    assert tree.sentence.startswith("1 session waits for us, ")


async def test_several_readers_before_us_are_all_drawn_and_our_queue_comes_last(stage: Stage) -> None:
    readers = [await stage.app("report", "BEGIN", "SELECT * FROM t") for _ in range(3)]
    us = await stage.waiter("us", "TRUNCATE t")
    waiter = await stage.waiter("web", "SELECT * FROM t")
    tree = await drawn(stage, us)
    assert [(root.pid, bool(root.children)) for root in tree.roots[:2]] == [
        (readers[1].pid, False),
        (readers[2].pid, False),
    ]
    assert outline(tree.roots[2:]) == [readers[0].pid, [us.pid, [waiter.pid]]]
    assert [node.pid for node in tree.blockers] == [reader.pid for reader in readers]
    assert tree.sentence.startswith(f"idle in transaction {readers[0].pid} (report, ")
    assert ") and 2 more hold t; our TRUNCATE waits " in tree.sentence
    whole = await drawn(stage)
    assert whole.sentence.startswith(f"idle in transaction {readers[0].pid} (report, ")
    assert ") and 2 more hold t; 2 sessions wait behind them, the oldest " in whole.sentence


async def test_somebody_in_the_queue_before_us_is_a_soft_blocker(stage: Stage) -> None:
    reader = await stage.app("report", "BEGIN", "SELECT * FROM t")
    vacuum = await stage.waiter("dba", "VACUUM FULL t")
    us = await stage.waiter("us", "ALTER TABLE t VALIDATE CONSTRAINT t_pkey")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [reader.pid, [vacuum.pid, [us.pid]]]
    assert only_child(only_child(tree.roots[0])).soft is True
    assert "stands before us in the queue for t" in tree.sentence
    assert f"{vacuum.pid} itself waits for idle in transaction {reader.pid}" in tree.sentence


async def test_one_that_waits_for_a_holder_and_for_the_queue(stage: Stage) -> None:
    holder = await stage.app("job", "BEGIN", "LOCK TABLE t IN SHARE MODE")
    reader = await stage.app("report", "BEGIN", "SELECT * FROM t")
    us = await stage.waiter("us", "ALTER TABLE t ADD COLUMN w int")
    writer = await stage.waiter("web", "UPDATE t SET v = 1")
    only_queued = await stage.waiter("web", "SELECT * FROM t")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [reader.pid, holder.pid, [us.pid, [writer.pid, only_queued.pid]]]
    nodes = {node.pid: node for node in everybody(tree.roots)}
    assert nodes[writer.pid].blocked_by == {holder.pid, us.pid}
    assert (nodes[writer.pid].soft, nodes[only_queued.pid].soft) == (True, True)
    # Without us it is drawn under the one that holds what it wants.
    whole = await drawn(stage)
    nodes = {node.pid: node for node in everybody(whole.roots)}
    assert {child.pid for child in nodes[holder.pid].children} == {us.pid, writer.pid}
    assert (nodes[writer.pid].soft, nodes[only_queued.pid].soft) == (False, True)


async def test_a_chain_of_thirty(stage: Stage) -> None:
    chain = [await stage.app("job", "SELECT pg_advisory_lock(0)")]
    for number in range(1, 31):
        app = await stage.app("job", f"SELECT pg_advisory_lock({number})")
        await stage.leave_waiting(app, f"SELECT pg_advisory_lock({number - 1})")
        chain.append(app)
    us = chain[15]
    tree = await drawn(stage, us)
    (node,) = tree.roots
    pids = [node.pid]
    while node.children:
        node = only_child(node)
        pids.append(node.pid)
    assert pids == [app.pid for app in chain]
    assert tree.queued == 15
    assert f"{chain[14].pid} itself waits for idle session {chain[0].pid} (job, " in tree.sentence
    assert " holds advisory lock 0; 30 sessions wait behind it, the oldest " in (await drawn(stage)).sentence


async def circle_of_queues(stage: Stage, patience: str) -> list[App]:
    """Four that wait in a circle over two queues, the first of which is held up by a fifth besides.

    PostgreSQL's isolation test deadlock-soft: two edges are hard, two soft, and the server can turn a soft one round.
    ``patience`` is the last one's deadlock_timeout, who looks for deadlocks first.
    """
    await stage.app("setup", "CREATE TABLE a1 (id int)", "CREATE TABLE a2 (id int)")
    patient = "SET deadlock_timeout = '1min'"
    d1 = await stage.app("us", patient, "BEGIN", "LOCK TABLE a1 IN ACCESS SHARE MODE")
    d2 = await stage.app("d2", f"SET deadlock_timeout = '{patience}'", "BEGIN", "LOCK TABLE a2 IN ACCESS SHARE MODE")
    h = await stage.app("h", "BEGIN", "LOCK TABLE a2 IN SHARE MODE")
    e1 = await stage.waiter("e1", patient, "BEGIN", "LOCK TABLE a1")
    e2 = await stage.waiter("e2", patient, "BEGIN", "LOCK TABLE a2")
    await stage.leave_waiting(d1, "LOCK TABLE a2 IN ROW EXCLUSIVE MODE")
    d2.send("LOCK TABLE a1 IN ACCESS SHARE MODE")
    return [d1, d2, e1, e2, h]


async def test_a_circle_that_the_server_can_open(stage: Stage) -> None:
    d1, d2, e1, e2, h = await circle_of_queues(stage, "1min")
    await stage.until(lambda look: d2.pid in look.blocking)
    assert await stage.blocking_pids() == {
        d1.pid: {e2.pid, h.pid}, e2.pid: {d2.pid, h.pid}, d2.pid: {e1.pid}, e1.pid: {d1.pid}
    }  # fmt: skip
    tree = await drawn(stage, d1)
    assert tree.sentence.startswith(f"deadlock, unless the server changes the queue: we, LOCK of {e2.pid} (e2, ")
    assert " wait in a circle; our LOCK waits " in tree.sentence
    assert len(everybody(tree.roots)) == 5


async def test_a_queue_that_the_deadlock_detector_rearranged(stage: Stage) -> None:
    d1, d2, e1, e2, h = await circle_of_queues(stage, "10ms")
    await stage.until(lambda look: look.blocking.get(d1.pid) == (h.pid,))
    tree = await drawn(stage, d1)
    # Who began to wait first stands behind now: no order of waiting times tells that.
    nodes = {node.pid: node for node in everybody(tree.roots)}
    assert nodes[e2.pid].blocked_by == {d1.pid, d2.pid, h.pid}
    assert (nodes[e2.pid].wait_seconds or 0.0) > (nodes[d1.pid].wait_seconds or 0.0)
    assert nodes[d1.pid].blocked_by == {h.pid}
    assert nodes[d2.pid].blocked_by == {e1.pid}
    assert tree.sentence.startswith(f"idle in transaction {h.pid} (h, ")
    assert not any(node.cycle for node in everybody(tree.roots))
    assert (await peers(stage)).wiki[d1.pid] == {h.pid, e2.pid, d2.pid}


async def test_we_wait_for_one_in_a_deadlock_of_others(stage: Stage) -> None:
    patient = "SET deadlock_timeout = '1min'"
    first = await stage.app("web", patient, "BEGIN", "UPDATE t SET v = 1 WHERE id = 1")
    second = await stage.app("web", patient, "BEGIN", "UPDATE t SET v = 1 WHERE id = 2")
    await stage.leave_waiting(first, "UPDATE t SET v = 1 WHERE id = 2")
    await stage.leave_waiting(second, "UPDATE t SET v = 1 WHERE id = 1")
    us = await stage.waiter("us", "ALTER TABLE t ADD COLUMN w int")
    tree = await drawn(stage, us)
    assert f"; {first.pid} is itself in a deadlock: UPDATE of {first.pid} (web, " in tree.sentence
    assert " wait for each other; our ALTER waits " in tree.sentence
    assert len(everybody(tree.roots)) == 3


async def test_a_deadlock_of_two_that_wait_for_a_reader_as_well(stage: Stage) -> None:
    read = ("SET deadlock_timeout = '1min'", "BEGIN", "SELECT * FROM t", "SELECT * FROM u")
    await stage.app("setup", "CREATE TABLE u (id int)")
    reader, us, other = [await stage.app(name, *read) for name in ("report", "us", "dba")]
    await stage.leave_waiting(us, "LOCK TABLE t")
    await stage.leave_waiting(other, "LOCK TABLE u")
    assert await stage.blocking_pids() == {us.pid: {reader.pid, other.pid}, other.pid: {reader.pid, us.pid}}
    whole = await drawn(stage)
    (root,) = whole.roots
    upper = only_child(root)
    lower = only_child(upper)
    assert (root.pid, {upper.pid, lower.pid}) == (reader.pid, {us.pid, other.pid})
    assert (only_child(lower).pid, only_child(lower).cycle) == (upper.pid, True)
    assert whole.sentence.startswith(f"idle in transaction {reader.pid} (report, ")
    assert "; deadlock: LOCK of " in whole.sentence
    assert (await drawn(stage, us)).sentence.startswith(f"deadlock: we and LOCK of {other.pid} (dba, ")


async def test_several_trees_the_worst_first(stage: Stage) -> None:
    await stage.app("setup", "CREATE TABLE few (id int)", "CREATE TABLE many (id int)", "CREATE TABLE two (id int)")
    few = await stage.app("job", "BEGIN", "LOCK TABLE few")
    two = await stage.app("job", "BEGIN", "LOCK TABLE two")
    many = await stage.app("billing", "BEGIN", "LOCK TABLE many")
    for name, count in (("few", 1), ("two", 2), ("many", 3)):
        for _ in range(count):
            await stage.waiter("web", f"SELECT * FROM {name}")
    tree = await drawn(stage)
    assert [root.pid for root in tree.roots] == [many.pid, two.pid, few.pid]
    assert tree.sentence.startswith(f"idle in transaction {many.pid} (billing, ")
    assert " holds many; 3 sessions wait behind it, the oldest " in tree.sentence
    assert "; 2 more trees, 3 sessions, the oldest " in tree.sentence


async def test_a_session_that_went_between_two_looks(stage: Stage) -> None:
    holder = await stage.app("web", "BEGIN", "LOCK TABLE t")
    us = await stage.waiter("us", "SELECT * FROM t")
    before = await stage.monitor.look([us.pid])
    await holder.connection.close()
    after = await stage.until(lambda look: all(session.pid != holder.pid for session in look.sessions))
    tree = build_tree(after.sessions, before.locks, before.blocking, us.pid)
    assert (tree.roots[0].pid, tree.roots[0].session, tree.roots[0].title) == (holder.pid, None, "gone")
    assert tree.sentence.startswith(f"session {holder.pid} (gone) holds t; our SELECT waits")
    whole = build_tree(after.sessions, before.locks, before.blocking, None)
    assert whole.sentence.startswith(f"session {holder.pid} (gone) holds t; 1 session waits behind it, ")
    assert (await drawn(stage, us)).roots == ()


async def test_nobody_waits(stage: Stage) -> None:
    us = await stage.app("us", "BEGIN", "SELECT * FROM t")
    for tree in (await drawn(stage, us), await drawn(stage)):
        assert (tree.roots, tree.queued, tree.oldest) == ((), 0, None)
        assert tree.sentence == "nobody waits for a lock"


async def test_waits_that_are_not_ours(stage: Stage) -> None:
    us = await stage.app("us", "SELECT 1")
    await stage.app("web", "BEGIN", "LOCK TABLE t")
    await stage.waiter("web", "SELECT * FROM t")
    tree = await drawn(stage, us)
    assert tree.roots == ()
    assert tree.sentence.startswith("1 session waits for locks, not for us, ")


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


async def test_a_wait_for_an_advisory_lock_of_our_session_is_older_than_our_transaction(stage: Stage) -> None:
    us = await stage.app("us", "SELECT pg_advisory_lock(42)")
    waiter = await stage.waiter("web", "SELECT pg_advisory_lock(42)")
    await us.run("BEGIN", "SELECT 1")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [us.pid, [waiter.pid]]
    assert tree.roots[0].session is not None
    assert tree.oldest is not None
    assert tree.oldest == only_child(tree.roots[0]).wait_seconds
    assert tree.oldest > (tree.roots[0].session.transaction_seconds or 0.0)


async def test_what_only_a_parallel_worker_holds_is_its_leaders(stage: Stage) -> None:
    await stage.app(
        "setup",
        "CREATE TABLE big AS SELECT generate_series(1, 20000) AS id",
        "ANALYZE big",
        # What is looked up inside shows in no plan: only the workers lock t.
        "CREATE FUNCTION seen(int) RETURNS bool LANGUAGE plpgsql PARALLEL SAFE AS "
        "'BEGIN PERFORM FROM t WHERE id = $1; RETURN pg_sleep(60) IS NULL; END'",
    )
    settings = "parallel_setup_cost=0", "parallel_tuple_cost=0", "min_parallel_table_scan_size=0"
    leader = await stage.app("report", *(f"SET {one}" for one in settings), "SET parallel_leader_participation = off")
    leader.send("SELECT count(*) FROM big WHERE seen(id)")
    await stage.until(lambda look: any(s.leader_pid == leader.pid and s.wait_event == "PgSleep" for s in look.sessions))
    us = await stage.app("us", "BEGIN")
    await stage.leave_waiting(us, "LOCK TABLE t")
    look = await stage.until(lambda look: us.pid in look.blocking)
    roots = build_tree(look.sessions, look.locks, look.blocking, us.pid).roots
    assert outline(roots) == [leader.pid, [us.pid]]
    assert roots[0].holds == ("ACCESS SHARE on t",)
    closely = await stage.monitor.look([leader.pid])
    workers = {session.pid for session in look.sessions if session.leader_pid == leader.pid}
    assert {(lock.pid in workers, lock.relation) for lock in closely.locks if lock.granted} >= {
        (False, "big"),
        (True, "big"),
        (True, "t"),
    }
