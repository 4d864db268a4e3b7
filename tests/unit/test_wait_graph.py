"""What the wait graph leaves out to be fast changes no answer: it is compared with every edge looked at."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from tui.engine.wait_graph import Key, WaitGraph
from tui.postgres.rows import Lock

PIDS = range(1, 14)


def waits(pid: int, table: int, seconds: float) -> Lock:
    return Lock(pid, "relation", 5, table, f"t{table}", "", "AccessExclusiveLock", False, False, seconds, f"3/{pid}")


@st.composite
def queues(draw: st.DrawFn) -> tuple[list[Lock], dict[int, tuple[int, ...]]]:
    """Queues in which everybody waits for all before, with edges more or less, so that circles come about, too."""
    locks: list[Lock] = []
    blocking: dict[int, set[int]] = {}
    for table in range(draw(st.integers(1, 3))):
        queue = draw(st.permutations(PIDS))[: draw(st.integers(2, 8))]
        for position, pid in enumerate(queue[1:], 1):
            if pid not in blocking:
                locks.append(waits(pid, table, draw(st.sampled_from([100.0 - position, 50.0, 1.0]))))
                blocking[pid] = set(queue[:position])
    for pid, others in draw(st.dictionaries(st.sampled_from(PIDS), st.sets(st.sampled_from(PIDS), max_size=3))).items():
        blocking[pid] = blocking.get(pid, set()) | others
    return locks, {pid: tuple(others - {pid}) for pid, others in blocking.items() if others - {pid}}


def by_every_edge(graph: WaitGraph, start: Key) -> tuple[dict[Key, int], dict[Key, float]]:
    """Distances and waits behind ``start``, the plain way."""
    distance: dict[Key, int] = {start: 0}
    ahead = deque([start])
    while ahead:
        reached = ahead.popleft()
        for waiter, before in graph.blocked_by.items():
            if reached in before and waiter not in distance:
                distance[waiter] = distance[reached] + 1
                ahead.append(waiter)
    longest: dict[Key, float] = {start: float("inf")}
    changed = True
    while changed:
        changed = False
        for waiter, before in graph.blocked_by.items():
            known = [longest[blocker] for blocker in before if blocker in longest]
            since = min(max(known), graph.wait(waiter)[0] or 0.0) if known else -1.0
            if known and waiter != start and since > longest.get(waiter, -1.0):
                longest[waiter] = since
                changed = True
    del longest[start]
    return distance, longest


@given(queues(), st.sampled_from(PIDS))
def test_every_answer_is_that_of_all_edges(drawn: tuple[list[Lock], dict[int, tuple[int, ...]]], start: int) -> None:
    locks, blocking = drawn
    graph = WaitGraph((), locks, blocking)
    assert graph.blocked_by == {pid: frozenset(before) for pid, before in blocking.items()}
    distance, longest = by_every_edge(graph, start)
    assert graph.distances(start) == distance
    assert graph.behind(start) == longest
    above: set[Key] = set()
    while more := {b for pid in {start, *above} for b in blocking.get(int(pid), ())} - above:
        above |= more
    assert graph.above(start) == above
    circles = {pid for pid in blocking if pid in graph.above(pid)}
    assert graph.circles == {
        pid: {other for other in circles & graph.above(pid) if pid in graph.above(other)} for pid in circles
    }


def test_a_queue_of_a_thousand_is_as_many_edges() -> None:
    everybody = range(1, 1_001)
    blocking = {pid: tuple(range(1, pid)) for pid in everybody if pid > 1}
    graph = WaitGraph((), [waits(pid, 1, 1_001.0 - pid) for pid in everybody if pid > 1], blocking)
    assert sum(map(len, graph.nearest.values())) == 999
    assert graph.distances(1) == {1: 0} | dict.fromkeys(everybody[1:], 1)
    assert len(graph.behind(1)) == 999


class Reached(WaitGraph):
    """Counts how often all ways up are gone."""

    asked = 0

    def above(self, key: Key) -> set[Key]:
        self.asked += 1
        return super().above(key)


def test_in_a_circle_of_all_with_all_everybody_is_reached_once() -> None:
    """Hundreds that hold a table and want more of it: to ask of each who is above it is n³."""
    everybody = range(1, 201)
    blocking = {pid: tuple(other for other in everybody if other != pid) for pid in everybody}
    graph = Reached((), [waits(pid, 1, 1.0) for pid in everybody], blocking)
    assert graph.circles == dict.fromkeys(everybody, frozenset(everybody))
    assert graph.asked == 1
