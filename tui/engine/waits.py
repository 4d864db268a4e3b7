"""How long our session waited for a lock, on whom, and who queued behind: from the samples of one statement."""

from dataclasses import dataclass

from . import events as e
from .sample import LockNode, Sample


@dataclass(frozen=True, slots=True)
class Wait:
    """The worst that was seen of one wait; seconds."""

    wanted: str
    seconds: float
    blockers: tuple[e.Blocker, ...]
    queued: int

    def event(self, script: str, index: int) -> e.LockWaited:
        return e.LockWaited(e.now(), script, index, self.wanted, self.seconds, self.blockers, self.queued)


class WaitWatch:
    """Sees samples while a statement runs; ``take`` gives what was seen of waits and forgets it."""

    def __init__(self) -> None:
        self._wait: Wait | None = None

    def see(self, sample: Sample) -> None:
        tree = sample.tree
        if not tree.waiting_for_lock:
            return
        before = self._wait
        self._wait = Wait(
            wanted=tree.our_wants or "",
            seconds=max(tree.our_wait_seconds or 0.0, before.seconds if before else 0.0),
            blockers=tuple(_blocker(node) for node in tree.blockers) or (before.blockers if before else ()),
            queued=max(tree.queued, before.queued if before else 0),
        )

    def take(self) -> Wait | None:
        wait, self._wait = self._wait, None
        return wait


def _blocker(node: LockNode) -> e.Blocker:
    session = node.session
    return e.Blocker(
        pid=node.pid or 0,
        application_name=session.application_name if session else node.title,
        user=session.user if session else "",
        state=session.state if session else "",
        holds=", ".join(node.holds),
        transaction_seconds=session.transaction_seconds if session else None,
    )
