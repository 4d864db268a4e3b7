"""A key that is held down must not run through several steps: terminals send no release, only repeats."""

import time
from collections.abc import Callable


class HeldKey:
    """Takes a press only after ``quiet`` seconds without one, and ``quiet`` seconds after something ended.

    A keyboard repeats at least every 0.66 s, so a held key never goes quiet before it is let go.
    """

    def __init__(self, quiet: float = 0.7, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._clock = clock
        self._last = float("-inf")
        self._rest = float("-inf")

    def takes(self) -> bool:
        """Whether this press counts; to be asked at every press."""
        now = self._clock()
        counts = now - self._last >= self._quiet and now - self._rest >= self._quiet
        self._last = now
        return counts

    def rest(self) -> None:
        """Something ended or a question appeared: presses meant for what was before do not count."""
        self._rest = self._clock()
