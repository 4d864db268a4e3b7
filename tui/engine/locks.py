"""The tree of locks: who blocks us above, whom we block below, and the sentence that says it. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from tui.postgres.rows import Lock, Session

from .lock_words import held, wanted
from .sample import LockNode, LockTree
from .sentence import sentence, sentence_of_all
from .wait_graph import Key, WaitGraph, order


def build_tree(
    sessions: Iterable[Session],
    locks: Iterable[Lock],
    blocking: Mapping[int, tuple[int, ...]],
    our_pid: int | None,
    *,
    own: Collection[int] = (),
    prepared: Mapping[str, str] | None = None,
) -> LockTree:
    """The tree around our session; without one (``our_pid`` None) every wait of the server, under who causes it.

    ``blocking`` is pg_blocking_pids by waiter. ``own``: sessions of ours that must not count (the operator's).
    ``prepared``: the gid of prepared transactions by transaction id.

    Everybody is drawn once, so 500 waiters in one queue are 500 lines: under us if we are among those it waits for,
    else under who holds what it wants, else under who stands before it. ``LockNode.blocked_by`` names them all.
    """
    graph = WaitGraph(sessions, locks, blocking, own)
    drawing = _Drawing(graph, our_pid, prepared or {})
    above = graph.above(our_pid) if our_pid is not None else set()
    behind = graph.behind(our_pid) if our_pid is not None else {}
    queued = {key: seconds for key, seconds in behind.items() if _counts(graph.sessions.get(key))}
    waiting = our_pid in graph.blocked_by
    our_node = drawing.node(our_pid) if our_pid is not None and waiting else None
    if our_pid is None:
        shown = set(graph.blocked_by).union(*graph.nearest.values())
    else:
        shown = above | set(behind) | {our_pid} if above or behind else set()
    roots, tops = drawing.roots(shown)
    if our_pid is None:
        said = sentence_of_all(graph, tops, drawing.title)
    else:
        said = sentence(graph, our_pid, queued, above | set(behind), drawing.title)
    return LockTree(
        sentence=said,
        roots=roots,
        our_pid=our_pid,
        waiting_for_lock=waiting,
        our_wait_seconds=our_node.wait_seconds if our_node else None,
        our_wants=our_node.wants if our_node else None,
        blockers=tuple(
            drawing.node(key, soft=our_pid is not None and graph.soft(our_pid, key))
            for key in (graph.blockers(our_pid) if our_pid is not None else ())
        ),
        queued=len(queued),
        oldest=max(queued.values(), default=None),
        graph=graph,
    )


def _counts(session: Session | None) -> bool:
    """Autovacuum behind us keeps no user waiting."""
    return session is None or not session.backend_type.startswith("autovacuum")


class _Drawing:
    """Turns the graph into nodes, each drawn once; what closes a circle is drawn once more, marked ``cycle``."""

    def __init__(self, graph: WaitGraph, our_pid: int | None, prepared: Mapping[str, str]) -> None:
        self._graph = graph
        self._our_pid = our_pid
        self._prepared = prepared

    def title(self, key: Key) -> str:
        """What a node is called beside its pid."""
        if isinstance(key, str):
            xid = self._graph.transaction(key)
            return f"prepared transaction {self._prepared.get(xid, xid)}".strip()
        session = self._graph.sessions.get(key)
        if key == self._our_pid:
            return "us"
        if session is None:
            return "gone" if self._graph.sessions else "session"
        return session.application_name or session.user or session.backend_type or "session"

    def node(
        self, key: Key, *, soft: bool = False, cycle: bool = False, children: tuple[LockNode, ...] = ()
    ) -> LockNode:
        graph = self._graph
        lock = graph.wanted.get(key)
        blocked_by = graph.blocked_by.get(key, frozenset())
        waits = bool(blocked_by)
        seconds, approximate = graph.wait(key) if waits else (None, False)
        return LockNode(
            pid=key if isinstance(key, int) else None,
            session=graph.sessions.get(key),
            title=self.title(key),
            holds=tuple(dict.fromkeys(held(lock) for lock in graph.contested(key))),
            wants=wanted(lock, graph.locks[key]) if lock is not None and waits else None,
            wait_seconds=seconds,
            wait_approximate=approximate,
            soft=soft,
            ours=key == self._our_pid,
            children=children,
            cycle=cycle,
            blocked_by=blocked_by,
            virtualtransaction=key if isinstance(key, str) else "",
        )

    def roots(self, shown: set[Key]) -> tuple[tuple[LockNode, ...], list[Key]]:
        """The nodes that stand at the top, those first that keep most others waiting, and who they are."""
        parent = self._parents(shown)
        below: dict[Key | None, list[Key]] = defaultdict(list)
        for key in shown:
            below[parent.get(key)].append(key)
        circles = self._circles(shown, parent)
        leads_to_us = set(_line(self._our_pid, parent)) if self._our_pid is not None else set()

        def rank(key: Key) -> tuple[bool, float, tuple[int, int, str]]:
            # Who leads to us comes last, so that our queue does not push the other blockers off the screen.
            return (key in leads_to_us, -(self._graph.wait(key)[0] or 0.0), order(key))

        top_down: list[Key] = []
        ahead = list(below[None])
        while ahead:
            key = ahead.pop()
            top_down.append(key)
            ahead.extend(below[key])
        nodes: dict[Key, LockNode] = {}
        size: dict[Key, int] = {}
        oldest: dict[Key, float] = {}
        for key in reversed(top_down):
            size[key] = 1 + sum(size[child] for child in below[key])
            waits = self._graph.wait(key)[0] if key in self._graph.blocked_by else None
            oldest[key] = max([waits or 0.0, *(oldest[child] for child in below[key])])
            soft = key in parent and self._graph.soft(key, parent[key])
            children = [nodes[child] for child in sorted(below[key], key=rank)]
            children += [
                self.node(again, soft=self._graph.soft(again, key), cycle=True)
                for again in sorted(circles.get(key, ()), key=order)
            ]
            nodes[key] = self.node(key, soft=soft, children=tuple(children))
        tops = sorted(below[None], key=lambda key: (key in leads_to_us, -size[key], -oldest[key], order(key)))
        return tuple(nodes[key] for key in tops), tops

    def _parents(self, shown: set[Key]) -> dict[Key, Key]:
        """By each one that waits, the blocker that it is drawn under."""
        distance = self._graph.distances(self._our_pid) if self._our_pid in shown and self._our_pid is not None else {}
        rings: dict[int, set[Key]] = defaultdict(set)
        for key, far in distance.items():
            rings[far].add(key)
        parent: dict[Key, Key] = {}
        tops: dict[Key, Key] = {}
        for key in sorted(shown, key=order):
            nearer: AbstractSet[Key] = frozenset()
            if key != self._our_pid:
                nearer = rings.get(distance.get(key, 0) - 1, nearer)
            best = next((b for b in self._candidates(key, shown, nearer) if _top(b, tops) != key), None)
            if best is not None:
                parent[key] = tops[key] = best
        return parent

    def _candidates(self, key: Key, shown: set[Key], nearer: AbstractSet[Key]) -> Iterator[Key]:
        """Whom to draw this one under, the best first: who is a wait nearer to us, who holds what it wants."""
        edges = self._graph.blocked_by.get(key, frozenset())
        # A circle is drawn as a chain, whoever else keeps those in it waiting: it would not show among their waiters.
        if mates := self._graph.circles.get(key, frozenset()) & edges & shown:
            yield from sorted(mates, key=lambda mate: (mate != self._our_pid, order(mate)))
        if self._our_pid in edges and self._our_pid is not None:
            yield self._our_pid
        if not nearer:
            # It is enough for nearly all: who holds the lock is one or a few, who stands before it in the queue many.
            yield from sorted(self._graph.holders(key) & shown, key=order)
        soft = self._graph.before_in_queue(key)
        hard = (edges & shown) - soft
        for some in (hard & nearer, soft & nearer, hard - nearer, (soft & shown) - nearer):
            # Most often the first one it is: the others are not put in order before they are asked for.
            if some:
                yield min(some, key=order)
                yield from sorted(some, key=order)

    def _circles(self, shown: set[Key], parent: Mapping[Key, Key]) -> dict[Key, list[Key]]:
        """By each one, those above it in the drawing that wait for it: there the circle closes."""
        waiting = self._graph.blocked_by
        circles: dict[Key, list[Key]] = {}
        for key in shown & self._graph.circles.keys():
            above = (k for k in _line(key, parent)[1:] if parent.get(k) != key)
            circles[key] = [k for k in above if key in waiting.get(k, ())]
        return circles


def _top(key: Key, tops: dict[Key, Key]) -> Key:
    """The root over this one so far; the ways there are made shorter (union-find), a deep chain stays linear."""
    while key in tops:
        if tops[key] in tops:
            tops[key] = tops[tops[key]]
        key = tops[key]
    return key


def _line(key: Key | None, parent: Mapping[Key, Key]) -> list[Key]:
    """This one and who is drawn above it, up to the root."""
    line: list[Key] = []
    while key is not None:
        line.append(key)
        key = parent.get(key)
    return line
