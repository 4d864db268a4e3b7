"""What the end of a session brings those behind it."""

from hypothesis import given
from hypothesis import strategies as st

from tui.engine.release import Release, Waiter, release
from tui.widgets.signal import release_lines

NAMES = {1: "billing", 2: "etl", 3: "web"}


def of(pid: int, waits: dict[int, set[int]]) -> Release:
    waiters = [Waiter(p, f"web{p}", (100 - p) / 10, frozenset(b)) for p, b in waits.items()]
    return release(pid, waiters, NAMES)


def pids(group: tuple[Waiter, ...]) -> list[int]:
    return [waiter.pid for waiter in group]


def words(pid: int, waits: dict[int, set[int]], ours: int | None = None) -> list[str]:
    return [line.text for line in release_lines(of(pid, waits), ours, 200)]


def test_who_waits_for_it_alone_gets_the_lock() -> None:
    got = of(1, {10: {1}, 11: {1}})
    assert (pids(got.at_once), pids(got.later), pids(got.still), got.others) == ([10, 11], [], [], ())


def test_two_blockers_free_nobody_by_one_end() -> None:
    got = of(1, {10: {1, 2}})
    assert (pids(got.at_once), pids(got.later), pids(got.still)) == ([], [], [10])
    assert got.others == ((2, "etl"),)
    assert words(1, {10: {1, 2}}) == ["still blocked by 2 (etl): 1 session, 9.0 s: 10 (web10)"]


def test_a_queue_moves_up_by_one() -> None:
    # 10 wants ACCESS EXCLUSIVE behind a reader, 11 and 12 read behind 10.
    waits = {10: {1}, 11: {10}, 12: {10}}
    got = of(1, waits)
    assert (pids(got.at_once), pids(got.later), pids(got.still)) == ([10], [11, 12], [])
    assert words(1, waits, 10) == [
        "frees us at once",
        "behind those, a step nearer: 2 sessions, the oldest 8.9 s: 11 (web11), 12 (web12)",
    ]


def test_who_stands_behind_one_that_is_held_up_is_held_up() -> None:
    waits = {10: {1, 2}, 11: {10}, 12: {1}, 13: {12}}
    got = of(1, waits)
    assert (pids(got.at_once), pids(got.later), pids(got.still)) == ([12], [13], [10, 11])
    assert got.moved(11) == "still"
    assert (got.moved(12), got.moved(99), got.moved(None)) == ("at once", "", "")


def test_the_head_of_the_other_chain_is_named() -> None:
    got = of(1, {10: {1, 20}, 20: {21}, 21: {3}})
    assert got.others == ((3, "web"),)


def test_a_prepared_transaction_holds_up() -> None:
    assert words(1, {10: {1, 0}}, 10) == ["still blocked by a prepared transaction: us"]


def test_others_in_a_circle() -> None:
    assert of(1, {10: {1, 20}, 20: {21}, 21: {20}}).others == ((20, ""),)


def test_its_own_wait_is_no_matter() -> None:
    # A deadlock: the one that is ended waits for the other, too.
    got = of(1, {1: {10}, 10: {1}})
    assert (pids(got.at_once), pids(got.later), pids(got.still)) == ([10], [], [])


def test_nobody() -> None:
    assert words(1, {10: {2}}) == ["nobody waits for it"]


@given(st.dictionaries(st.integers(1, 9), st.frozensets(st.integers(0, 9), min_size=1), max_size=9), st.integers(1, 9))
def test_everybody_behind_is_in_one_group(waits: dict[int, frozenset[int]], pid: int) -> None:
    got = release(pid, [Waiter(p, "", None, b - {p}) for p, b in waits.items() if b - {p}], {})
    groups = [*pids(got.at_once), *pids(got.later), *pids(got.still)]
    assert len(groups) == len(set(groups))
    reached, behind = {pid}, set[int]()
    while reached:
        reached = {p for p, b in waits.items() if p not in behind and p != pid and (b - {p}) & (reached | behind)}
        behind |= reached
    assert set(groups) == behind - {pid}
    assert all(waits[p] - {p} == {pid} for p in pids(got.at_once))
    # Freed in the end: all that it waits for are among those that are freed, or the one that ends.
    moving = {pid, *pids(got.at_once), *pids(got.later)}
    assert all(waits[p] - {p} <= moving for p in pids(got.later))
    assert all(not waits[p] - {p} <= moving for p in pids(got.still))
    assert bool(got.others) == bool(got.still)
