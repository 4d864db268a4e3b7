"""What the server itself says about who waits for whom, and what two widely used queries say about it.

The queries are our own shortest forms of the same joins: the "Lock Monitoring" page of the PostgreSQL wiki joins
pg_locks with itself on the whole tag of a lock; pg_activity (its queries "blocking" and "waiting" for PostgreSQL 14
and later) joins on the transaction, the virtual transaction, or the relation.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from sessions import App, Stage

from tui.engine.lock_words import conflict
from tui.engine.locks import build_tree
from tui.engine.sample import LockNode, LockTree
from tui.engine.wait_graph import WaitGraph

WIKI = """
SELECT w.pid, array_agg(DISTINCT b.pid)
FROM pg_locks w
JOIN pg_locks b ON b.pid <> w.pid
    AND (b.locktype, b.database, b.relation, b.page, b.tuple, b.virtualxid, b.transactionid, b.classid, b.objid,
         b.objsubid) IS NOT DISTINCT FROM (w.locktype, w.database, w.relation, w.page, w.tuple, w.virtualxid,
         w.transactionid, w.classid, w.objid, w.objsubid)
JOIN pg_stat_activity a ON a.pid = b.pid
WHERE NOT w.granted
GROUP BY w.pid
"""
PG_ACTIVITY_BLOCKING = """
SELECT DISTINCT b.pid, b.mode, b.locktype, b.relation::regclass::text
FROM pg_locks b
JOIN pg_locks w ON b.locktype = w.locktype AND (
    b.transactionid = w.transactionid OR b.virtualxid = w.virtualxid
    OR (b.database = w.database AND b.relation = w.relation))
JOIN pg_stat_activity a ON a.pid = b.pid
WHERE b.granted AND NOT w.granted
"""
PG_ACTIVITY_WAITING = """
SELECT l.pid, l.mode, l.locktype, l.relation::regclass::text
FROM pg_locks l
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE NOT l.granted AND a.pid <> pg_backend_pid()
"""
ALL = """
SELECT l.pid, CASE a.backend_type WHEN 'parallel worker' THEN a.leader_pid ELSE l.pid END AS leader, l.mode, l.granted,
    l.virtualtransaction, (l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid,
    l.classid, l.objid, l.objsubid)::text AS tag, l.locktype, l.database, l.relation
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.mode <> 'SIReadLock'
"""


class Row(NamedTuple):
    """A row of pg_locks."""

    pid: int | None
    leader: int | None
    mode: str
    granted: bool
    virtualtransaction: str
    tag: str
    locktype: str
    database: int | None
    relation: int | None


@dataclass(frozen=True)
class Peers:
    """What the others say: the wiki by waiter whom it waits for; pg_activity two lists, without who is whose."""

    wiki: dict[int, set[int]]
    blocking: set[tuple[int, str, str, str | None]]
    waiting: set[tuple[int, str, str, str | None]]

    @property
    def blockers(self) -> set[int]:
        return {pid for pid, *_ in self.blocking}


async def peers(stage: Stage) -> Peers:
    """Asks as they would."""

    async def ask(connection: psycopg.AsyncConnection[Any]) -> Peers:
        wiki = await (await connection.execute(WIKI)).fetchall()
        blocking = await (await connection.execute(PG_ACTIVITY_BLOCKING)).fetchall()
        waiting = await (await connection.execute(PG_ACTIVITY_WAITING)).fetchall()
        return Peers({pid: set(blockers) for pid, blockers in wiki}, set(blocking), set(waiting))

    answer: Peers = await stage.really(ask)
    return answer


async def drawn(stage: Stage, us: App | None = None) -> LockTree:
    """The tree of this moment, after it was found to be what the server says: every edge, and every mode."""
    our_pid = us.pid if us else None
    first = await stage.monitor.look()
    look = await stage.monitor.look([session.pid for session in first.sessions])
    graph = WaitGraph(look.sessions, look.locks, look.blocking)
    edges = {
        waiter: {blocker if isinstance(blocker, int) else 0 for blocker in blockers}
        for waiter, blockers in graph.blocked_by.items()
    }
    assert edges == await stage.blocking_pids()

    rows: list[Row] = await stage.really(_all)
    ours = {app.pid for app in stage.apps}
    mine = [row for row in rows if row.pid is None or row.leader in ours]
    pids = {row.pid for row in mine}
    # The server shows the same locks to us; those that a prepared transaction does not keep from anybody are not read.
    seen = Counter((k.pid, k.locktype, k.database, k.relation_oid, k.mode, k.granted) for k in look.locks)
    said = Counter((k.pid, k.locktype, k.database, k.relation, k.mode, k.granted) for k in mine)
    assert {k: n for k, n in seen.items() if k[0] in ours & pids} == {k: n for k, n in said.items() if k[0] in ours}
    assert not {k: n for k, n in seen.items() if k[0] is None and n > said[k]}

    trees = []
    for pid in (our_pid, None):
        # As the console asks, and as `watch` does: not the locks of everybody.
        asked = await stage.monitor.look([pid] if pid else [])
        tree = build_tree(asked.sessions, asked.locks, asked.blocking, pid, prepared=asked.prepared)
        for node in everybody(tree.roots):
            same_modes(node, mine)
        trees.append(tree)
    assert {node.key for node in everybody(trees[1].roots)} == set(edges).union(*graph.blocked_by.values())
    return trees[0]


async def _all(connection: psycopg.AsyncConnection[Any]) -> list[Row]:
    return [Row(*row) for row in await (await connection.execute(ALL)).fetchall()]


def same_modes(node: LockNode, rows: list[Row]) -> None:
    """The node's words name exactly the modes that pg_locks has: what it wants, and what it keeps others from."""
    own = [row for row in rows if (row.leader if row.pid is not None else row.virtualtransaction) == node.key]
    wanted = [row for row in own if not row.granted]
    assert bool(wanted) == (node.wants is not None), (node, own)
    if node.wants is not None and not node.wants.startswith(("the end of ", "row ")):
        assert node.wants.partition(" on ")[0] in {words(row.mode) for row in wanted}
    group = {row.pid for row in own}
    kept = {
        "" if row.locktype in ("transactionid", "virtualxid") else words(row.mode)
        for row in own
        for waiter in rows
        if row.granted and not waiter.granted and waiter.pid not in group
        if waiter.tag == row.tag and conflict(row.mode, waiter.mode)
    }
    assert {hold.partition(" on ")[0] if " on " in hold else "" for hold in node.holds} == kept


def words(mode: str) -> str:
    """``ACCESS EXCLUSIVE`` for ``AccessExclusiveLock``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", mode.removesuffix("Lock")).upper()


def everybody(nodes: Iterable[LockNode]) -> list[LockNode]:
    """All nodes, those that close a circle only once."""
    found: list[LockNode] = []
    ahead = list(nodes)
    while ahead:
        node = ahead.pop()
        if not node.cycle:
            found.append(node)
        ahead.extend(node.children)
    return found


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
