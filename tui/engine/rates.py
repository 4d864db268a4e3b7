"""What the server counts, as rates: bytes and transactions a second between two looks."""

from collections import deque
from dataclasses import dataclass

from tui.postgres.rows import Look

OVER = 1.0
"""Seconds that a rate is taken over at least: backends report their transactions once a second."""


@dataclass(frozen=True, slots=True)
class Rates:
    """A second: bytes of WAL, transactions without our own, those rolled back, bytes of temporary files.

    None until two looks exist, where unknown, and where a counter went back: it was reset, or is another server's.
    """

    wal: float | None = None
    transactions: float | None = None
    rollbacks: float | None = None
    temp: float | None = None


class RateMeter:
    """Folds looks; each is compared with one at least a second before."""

    def __init__(self) -> None:
        self._before: deque[Look] = deque()

    def add(self, look: Look) -> Rates:
        """The rates as of this look."""
        new = look.counters
        if new is None or (self._before and look.own_transactions < self._before[-1].own_transactions):
            # What comes after a gap is another connection's, perhaps another server's.
            self._before.clear()
        if new is None:
            return Rates()
        while len(self._before) > 1 and (look.at - self._before[1].at).total_seconds() >= OVER:
            self._before.popleft()
        then = self._before[0] if self._before else None
        self._before.append(look)
        old = then.counters if then else None
        if then is None or old is None:
            return Rates()
        seconds = (look.at - then.at).total_seconds()
        if seconds <= 0:
            return Rates()
        ours = look.own_transactions - then.own_transactions
        return Rates(
            _rate(old.wal_bytes, new.wal_bytes, seconds),
            _rate(old.transactions, new.transactions, seconds, ours),
            _rate(old.rollbacks, new.rollbacks, seconds),
            _rate(old.temp_bytes, new.temp_bytes, seconds),
        )


def _rate(old: int | None, new: int | None, seconds: float, ours: int = 0) -> float | None:
    if old is None or new is None or new < old:
        return None
    return max(0.0, (new - old - ours) / seconds)
