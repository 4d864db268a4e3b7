"""Twelve lock waits made with real sessions: edges and modes are the server's own, and the words are right.

Beside each stands what two widely used queries say of the same moment, see `lock_truth`. The self-join of the
PostgreSQL wiki takes everybody on the same lock for a blocker: those whose modes do not conflict, and those who stand
behind in the queue. pg_activity lists who holds something on the same table or transaction, in whatever mode, the
waiter itself included; it has no edges, knows no advisory lock and no queue. Neither shows a prepared transaction.
"""

from collections.abc import AsyncIterator

import psycopg
import pytest
from lock_truth import drawn, everybody, only_child, outline, peers
from sessions import Stage, waits

from tui.postgres.embedded import EmbeddedServer


@pytest.fixture
async def stage(any_database: str) -> AsyncIterator[Stage]:
    async with Stage(any_database) as stage:
        await stage.app(
            "setup", "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)"
        )
        yield stage


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
    assert tree.sentence.startswith(f"idle in transaction {reader.pid} (billing, ")
    assert " holds t; our ALTER waits " in tree.sentence
    assert "; 2 sessions wait behind us, the oldest " in tree.sentence

    others = await peers(stage)
    # Wrong: nobody behind us keeps us waiting, and no reader keeps a reader or a writer waiting.
    assert others.wiki == {
        us.pid: {reader.pid, first.pid, second.pid},
        first.pid: {reader.pid, us.pid, second.pid},
        second.pid: {reader.pid, us.pid, first.pid},
    }
    # Wrong: we, whom both wait for, are not there.
    assert others.blockers == {reader.pid}


async def test_an_upgrade_within_one_session(stage: Stage) -> None:
    us = await stage.app("us", "BEGIN", "SELECT * FROM t")
    writer = await stage.app("web", "BEGIN", "UPDATE t SET v = 1")
    await stage.leave_waiting(us, "LOCK TABLE t IN SHARE MODE")
    # Wrong: it names us, whom nobody waits for, since we hold something on the table that we want more of.
    assert (await peers(stage)).blockers == {writer.pid, us.pid}
    assert outline((await drawn(stage, us)).roots) == [writer.pid, [us.pid]]

    other = await stage.waiter("dba", "BEGIN", "LOCK TABLE t")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [writer.pid, [us.pid, [other.pid]]]
    ours = only_child(tree.roots[0])
    assert ours.holds == ("ACCESS SHARE on t",)
    assert only_child(ours).soft is False
    # Wrong: what stands behind us does not keep us waiting.
    assert (await peers(stage)).wiki[us.pid] == {writer.pid, other.pid}


async def test_what_we_hold_keeps_nobody_waiting_because_we_want_more(stage: Stage) -> None:
    reader = await stage.app("report", "BEGIN", "SELECT * FROM t")
    us = await stage.waiter("us", "BEGIN", "LOCK TABLE t IN SHARE MODE", "LOCK TABLE t")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [reader.pid, [us.pid]]
    assert only_child(tree.roots[0]).holds == ()
    # Wrong: what we hold is no blocker of ours.
    assert (await peers(stage)).blockers == {reader.pid, us.pid}


async def test_an_upgrade_puts_us_before_those_who_have_waited_longer(stage: Stage) -> None:
    us = await stage.app("us", "BEGIN", "SELECT * FROM t")
    writer = await stage.app("web", "BEGIN", "UPDATE t SET v = 1")
    other = await stage.waiter("dba", "BEGIN", "LOCK TABLE t")
    await stage.leave_waiting(us, "LOCK TABLE t IN SHARE MODE")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [writer.pid, [us.pid, [other.pid]]]
    assert only_child(only_child(tree.roots[0])).soft is False


async def test_advisory_locks(stage: Stage) -> None:
    holder = await stage.app("job", "SELECT pg_advisory_lock(-42), pg_advisory_lock(7, -1)")
    one = await stage.waiter("job", "SELECT pg_advisory_lock(-42)")
    two = await stage.waiter("job", "SELECT pg_advisory_lock_shared(7, -1)")
    three = await stage.waiter("job", "SELECT pg_advisory_lock_shared(7, -1)")
    tree = await drawn(stage)
    (root,) = tree.roots
    assert {child.pid: child.wants for child in root.children} == {
        one.pid: "EXCLUSIVE on advisory lock -42",
        two.pid: "SHARE on advisory lock (7, -1)",
        three.pid: "SHARE on advisory lock (7, -1)",
    }
    assert root.holds == ("EXCLUSIVE on advisory lock (7, -1)", "EXCLUSIVE on advisory lock -42")
    assert tree.sentence.startswith(f"idle session {holder.pid} (job, ")
    assert " holds advisory lock (7, -1); 3 sessions wait behind it, the oldest " in tree.sentence

    others = await peers(stage)
    # Wrong: two that want to share do not wait for each other.
    assert others.wiki[two.pid] == {holder.pid, three.pid}
    # Wrong: it shows three that wait, and nobody who keeps them waiting.
    assert others.blocking == set()
    assert {pid for pid, *_ in others.waiting} == {one.pid, two.pid, three.pid}


async def test_a_row_with_a_queue_of_fifty(stage: Stage) -> None:
    us = await stage.app("us", "BEGIN", "UPDATE t SET v = 1 WHERE id = 1")
    waiters = [await stage.waiter("web", "UPDATE t SET v = 2 WHERE id = 1") for _ in range(50)]
    tree = await drawn(stage, us)
    assert tree.queued == 50
    (root,) = tree.roots
    assert root.holds[0].startswith("transaction ")
    first = only_child(root)
    assert first.pid == waiters[0].pid
    assert first.holds == ("EXCLUSIVE on row (0,1) of t",)
    assert first.wants == f"row (0,1) of t held by {root.holds[0]}"
    assert [child.wants for child in first.children] == ["EXCLUSIVE on row (0,1) of t"] * 49
    assert [child.pid for child in first.children] == [waiter.pid for waiter in waiters[1:]]
    assert not any(child.soft for child in first.children)
    assert tree.sentence.startswith("50 sessions wait for us, the oldest ")
    whole = await drawn(stage)
    assert whole.sentence.startswith(f"idle in transaction {us.pid} (us, ")
    assert " holds row (0,1) of t; 50 sessions wait behind it, the oldest " in whole.sentence

    others = await peers(stage)
    # Wrong: each of 49 waits for those before it alone, not for all the others.
    assert sum(map(len, others.wiki.values())) == 1 + 49 * 49
    assert sum(map(len, (await stage.blocking_pids()).values())) == 1 + sum(range(1, 50))
    assert others.blockers == {us.pid, first.pid}


async def test_a_foreign_key_waits_for_its_parent(stage: Stage) -> None:
    await stage.app("setup", "CREATE TABLE child (t_id int REFERENCES t)")
    us = await stage.app("us", "BEGIN", "DELETE FROM t WHERE id = 2")
    writers = [await stage.waiter("web", "INSERT INTO child VALUES (2)") for _ in range(2)]
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [us.pid, [writers[0].pid, writers[1].pid]]
    for node in tree.roots[0].children:
        assert (node.wants or "").startswith("row (0,2) of t held by transaction ")
    # Wrong: both only want to know how the delete ends.
    assert (await peers(stage)).wiki[writers[0].pid] == {us.pid, writers[1].pid}


async def test_a_parent_waits_for_its_foreign_keys(stage: Stage) -> None:
    await stage.app("setup", "CREATE TABLE child (t_id int REFERENCES t)")
    writers = [await stage.app("web", "BEGIN", "INSERT INTO child VALUES (2)") for _ in range(2)]
    us = await stage.waiter("us", "DELETE FROM t WHERE id = 2")
    tree = await drawn(stage, us)
    # Both hold the row, by a multixact; the server waits for one after the other.
    assert outline(tree.roots) == [writers[0].pid, [us.pid]]
    assert (tree.our_wants or "").startswith("row (0,2) of t held by transaction ")
    await writers[0].run("COMMIT")
    await stage.until(lambda look: look.blocking.get(us.pid) == (writers[1].pid,))
    assert outline((await drawn(stage, us)).roots) == [writers[1].pid, [us.pid]]


async def test_a_deadlock_of_three_is_drawn_once(stage: Stage) -> None:
    three = []
    for row in (1, 2, 3):
        update = f"UPDATE t SET v = 1 WHERE id = {row}"
        three.append(await stage.app("web", "SET deadlock_timeout = '1min'", "BEGIN", update))
    us, second, third = three
    await stage.leave_waiting(us, "UPDATE t SET v = 1 WHERE id = 2")
    await stage.leave_waiting(second, "UPDATE t SET v = 1 WHERE id = 3")
    await stage.leave_waiting(third, "UPDATE t SET v = 1 WHERE id = 1")
    behind = await stage.waiter("web", "TRUNCATE t")
    tree = await drawn(stage, us)
    (root,) = tree.roots
    assert sorted(node.pid or 0 for node in everybody(tree.roots)) == sorted([*(app.pid for app in three), behind.pid])
    circle = [root]
    while not circle[-1].cycle:
        (nearer,) = (node for node in circle[-1].children if node.pid != behind.pid)
        circle.append(nearer)
    assert [node.pid for node in circle].count(root.pid) == 2
    assert len(circle) == 4
    assert circle[-1].children == ()
    assert tree.sentence.startswith(f"deadlock: we, UPDATE of {second.pid} (web, ")
    assert f" and UPDATE of {third.pid} (web, " in tree.sentence
    assert " wait in a circle; our UPDATE waits " in tree.sentence
    whole = await drawn(stage)
    assert whole.sentence.startswith("deadlock: UPDATE of ")
    assert " wait in a circle; 1 session waits behind them, " in whole.sentence
    # pg_activity has all three in both of its lists; that it is a circle shows nowhere.
    others = await peers(stage)
    assert others.blockers == {app.pid for app in three}
    assert others.blockers < {pid for pid, *_ in others.waiting}


async def test_concurrently_behind_an_old_snapshot(stage: Stage) -> None:
    old = await stage.app("report", "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
    us = await stage.waiter("us", "CREATE INDEX CONCURRENTLY ON t (v)")
    look = await stage.until(lambda look: any(row.waits_for_pid for row in look.progress))
    assert [(row.pid, row.waits_for_pid) for row in look.progress] == [(us.pid, old.pid)]
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [old.pid, [us.pid]]
    assert (tree.our_wants or "").startswith("the end of virtual transaction ")
    assert tree.roots[0].holds[0].startswith("virtual transaction ")
    assert tree.sentence.startswith(f"idle in transaction {old.pid} (report, ")
    assert " must end first; our CREATE waits " in tree.sentence
    others = await peers(stage)
    # Right here, but for why: nothing says that it is an old snapshot, of which table it has none.
    assert others.wiki == {us.pid: {old.pid}}
    assert others.blocking == {(old.pid, "ExclusiveLock", "virtualxid", None)}


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
        # Wrong: we wait, and for nobody.
        others = await peers(stage)
        assert others.wiki == {}
        assert others.blocking == set()
        assert {pid for pid, *_ in others.waiting} == {us.pid}
    finally:
        await stage.app("setup", "ROLLBACK PREPARED 'left by [red]\x1b'")


PARALLEL = (
    "SET parallel_setup_cost = 0",
    "SET parallel_tuple_cost = 0",
    "SET min_parallel_table_scan_size = 0",
    "SET max_parallel_workers_per_gather = 2",
)


async def test_a_parallel_query_is_one_session(stage: Stage) -> None:
    await stage.app("setup", "CREATE TABLE big AS SELECT generate_series(1, 20000) AS id", "ANALYZE big")
    reader = await stage.app("report", *PARALLEL)
    reader.send("SELECT count(*) FROM big WHERE pg_sleep(60) IS NULL")
    look = await stage.until(lambda look: sum(s.leader_pid == reader.pid for s in look.sessions) == 2)
    us = await stage.waiter("us", "BEGIN", "LOCK TABLE big")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [reader.pid, [us.pid]]
    workers = {session.pid for session in look.sessions if session.leader_pid == reader.pid}
    # Wrong: of its workers the client that is to be asked knows nothing.
    others = await peers(stage)
    assert others.wiki == {us.pid: {reader.pid, *workers}}
    assert others.blockers == {reader.pid, *workers}


async def test_parallel_workers_that_wait_are_their_leader(stage: Stage) -> None:
    await stage.app(
        "setup",
        "CREATE TABLE big AS SELECT generate_series(1, 20000) AS id",
        "ANALYZE big",
        # What is looked up inside shows in no plan: only the workers lock t.
        "CREATE FUNCTION seen(int) RETURNS bool LANGUAGE plpgsql PARALLEL SAFE AS "
        "'BEGIN RETURN EXISTS (SELECT FROM t WHERE id = $1); END'",
    )
    us = await stage.app("us", "BEGIN", "LOCK TABLE t")
    reader = await stage.app("report", *PARALLEL, "SET parallel_leader_participation = off")
    reader.send("SELECT count(*) FROM big WHERE seen(id)")
    look = await stage.until(lambda look: len(look.blocking) == 2 and waits(look, reader.pid))
    assert reader.pid not in look.blocking
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [us.pid, [reader.pid]]
    assert only_child(tree.roots[0]).wants == "ACCESS SHARE on t"
    assert tree.queued == 1
    # Wrong: two sessions wait that nobody has opened; the one that somebody has does not.
    assert (await peers(stage)).wiki.keys() == look.blocking.keys()


async def test_locks_in_two_databases_do_not_mix(any_server: EmbeddedServer) -> None:
    far = any_server.create_database("lock_far")
    with psycopg.connect(far, autocommit=True) as made:
        made.execute("CREATE TABLE t (id int)")
    # A copy: the same oid is another table there.
    near = any_server.create_database("lock_near", "lock_far")
    try:
        async with Stage(near) as stage:
            holder = await stage.app("web", "ALTER TABLE t RENAME TO far", "BEGIN", "LOCK TABLE far", dsn=far)
            await stage.waiter("web", "SELECT * FROM far", dsn=far)
            us = await stage.app("us", "BEGIN", "LOCK TABLE t")
            here = await stage.waiter("web", "SELECT * FROM t")
            tree = await drawn(stage, us)
            assert outline(tree.roots) == [us.pid, [here.pid]]
            assert tree.queued == 1
            assert "; 1 session waits for locks elsewhere, " in tree.sentence
            far_root = next(root for root in (await drawn(stage)).roots if root.pid == holder.pid)
            assert far_root.holds[0].startswith("ACCESS EXCLUSIVE on oid ")
            assert far_root.holds[0].endswith(" in lock_far")
            # Wrong: the other database's table has the name of one of ours.
            assert (holder.pid, "AccessExclusiveLock", "relation", "t") in (await peers(stage)).blocking
    finally:
        any_server.drop_database("lock_near")
        any_server.drop_database("lock_far")


async def test_attaching_a_partition(stage: Stage) -> None:
    await stage.app(
        "setup", "CREATE TABLE p (id int) PARTITION BY RANGE (id)", "CREATE TABLE p1 (id int)",
        "CREATE TABLE d PARTITION OF p DEFAULT",
    )  # fmt: skip
    reader = await stage.app("report", "BEGIN", "SELECT * FROM d")
    us = await stage.waiter("us", "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (1) TO (2)")
    behind = await stage.waiter("web", "SELECT * FROM d")
    maker = await stage.waiter("dba", "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (2) TO (3)")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [reader.pid, [us.pid, [behind.pid, maker.pid]]]
    assert tree.our_wants == "ACCESS EXCLUSIVE on d"
    assert only_child(tree.roots[0]).holds == ("SHARE UPDATE EXCLUSIVE on p",)
    assert [child.soft for child in only_child(tree.roots[0]).children] == [True, False]
    # Wrong: the reader behind us is no blocker of ours, nor is the reader before us one of his.
    others = await peers(stage)
    assert others.wiki[us.pid] == {reader.pid, behind.pid}
    assert others.wiki[behind.pid] == {reader.pid, us.pid}


async def test_a_virtual_transaction_that_two_wait_for(stage: Stage) -> None:
    await stage.app("setup", "CREATE INDEX i ON t (v)", "CREATE TABLE u (v int)", "CREATE INDEX j ON u (v)")
    reader = await stage.app("report", "BEGIN", "SELECT v FROM t", "SELECT v FROM u")
    us = await stage.waiter("us", "DROP INDEX CONCURRENTLY i")
    other = await stage.waiter("dba", "REINDEX INDEX CONCURRENTLY j")
    tree = await drawn(stage, us)
    assert outline(tree.roots) == [reader.pid, [us.pid]]
    assert (tree.our_wants or "").startswith("the end of virtual transaction ")
    whole = await drawn(stage)
    assert outline(whole.roots) == [reader.pid, [us.pid, other.pid]]
    assert " must end first; 2 sessions wait behind it, the oldest " in whole.sentence
    # Wrong: neither keeps the other waiting.
    assert (await peers(stage)).wiki == {us.pid: {reader.pid, other.pid}, other.pid: {reader.pid, us.pid}}
