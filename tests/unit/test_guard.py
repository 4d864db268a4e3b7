"""When the pile-up guard takes our locks back."""

import pytest

from tui.engine.guard import judge
from tui.engine.sample import LockTree
from tui.runbook.model import Safety

SAFETY = Safety(lock_timeout=3.0, max_blocked_sessions=20, max_blocked_for=5.0)


def tree(queued: int, oldest: float | None, waiting: bool = False) -> LockTree:
    return LockTree(
        sentence="",
        roots=(),
        our_pid=1,
        waiting_for_lock=waiting,
        our_wait_seconds=oldest if waiting else None,
        our_wants=None,
        blockers=(),
        queued=queued,
        oldest=oldest,
    )


@pytest.mark.parametrize(
    ("queued", "oldest", "waiting"),
    [(0, None, False), (0, None, True), (20, 5.0, False), (20, 2.99, True), (1, 4.9, False)],
)
def test_within_the_limits_we_keep_our_locks(queued: int, oldest: float | None, waiting: bool) -> None:
    assert judge(tree(queued, oldest, waiting), SAFETY) is None


@pytest.mark.parametrize(
    ("queued", "oldest", "waiting", "detail"),
    [
        (21, 0.1, False, "21 sessions wait behind us, 20 may"),
        (21, None, True, "21 sessions wait behind us, 20 may"),
        (17, 5.1, False, "17 sessions wait behind us, the oldest 5.1 s; 5.0 s is allowed"),
        (1, 5.1, True, "1 session waits behind us, 5.1 s; 5.0 s is allowed"),
        (2, 3.0, True, "2 sessions wait behind us, the oldest 3.0 s; 3.0 s is allowed while we wait for a lock"),
    ],
)
def test_past_a_limit_one_sample_is_enough(queued: int, oldest: float | None, waiting: bool, detail: str) -> None:
    trip = judge(tree(queued, oldest, waiting), SAFETY)
    assert trip is not None
    assert trip.detail == detail
