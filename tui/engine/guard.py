"""The pile-up guard: when our locks go back because the application queues behind them. Pure."""

from dataclasses import dataclass

from tui.runbook.model import Safety

from .lock_words import duration
from .sample import LockTree


@dataclass(frozen=True, slots=True)
class Trip:
    """The locks must go back now; ``detail`` says why, in words."""

    detail: str


def judge(tree: LockTree, safety: Safety) -> Trip | None:
    """What one sample says: one is enough, nothing is averaged.

    While we wait for a lock ourselves, nobody may wait behind us longer than ``lock_timeout``: the server measures
    that for each of our waits alone, and several in one transaction would add up for the application.
    """
    sessions = "session waits" if tree.queued == 1 else "sessions wait"
    if tree.queued > safety.max_blocked_sessions:
        return Trip(f"{tree.queued} {sessions} behind us, {safety.max_blocked_sessions} may")
    if tree.oldest is None:
        return None
    queue = f"{tree.queued} {sessions} behind us, {'the oldest ' if tree.queued > 1 else ''}{duration(tree.oldest)}"
    if tree.oldest > safety.max_blocked_for:
        return Trip(f"{queue}; {duration(safety.max_blocked_for)} is allowed")
    if tree.waiting_for_lock and tree.oldest >= safety.lock_timeout:
        return Trip(f"{queue}; {duration(safety.lock_timeout)} is allowed while we wait for a lock")
    return None
