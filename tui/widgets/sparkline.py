"""A figure over the last minutes as a row of bars: second by second, a gap where nothing is known."""

import math
from collections import deque
from datetime import datetime
from itertools import islice

_BARS = "▁▂▃▄▅▆▇█"
_AT_LIMIT = 5
"""The bar of a value that is exactly at its limit: what is over it has the two higher ones."""
_KEPT = 300
"""Seconds that are remembered."""
_SPAN = 60
"""Seconds that a sparkline shows at least, however few cells it has."""
_HELD = 2
"""Seconds that a value stands for where no look fell into them."""


class Series:
    """One figure over the last five minutes. Times are those of the looks; None is unknown."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, float | None]] = deque(maxlen=_KEPT)
        self.last: tuple[datetime, float] | None = None

    def add(self, at: datetime, value: float | None) -> None:
        """One look's value; of several in one second the highest stays."""
        second = int(at.timestamp())
        if value is not None:
            self.last = at, value
        if self._seconds and self._seconds[-1][0] >= second:
            then, before = self._seconds[-1]
            self._seconds[-1] = then, value if before is None else before if value is None else max(before, value)
        else:
            self._seconds.append((second, value))

    def cells(self, width: int) -> list[float | None]:
        """The last ``width`` cells, each the highest of its seconds: bars move, and never change on the way."""
        if not self._seconds or width <= 0:
            return [None] * max(0, width)
        each = max(1, math.ceil(_SPAN / width))
        first = self._seconds[-1][0] // each - width + 1
        cells: list[float | None] = [None] * width
        before: int | None = None
        for second, value in islice(self._seconds, max(0, len(self._seconds) - width * each - 1), None):
            since = second if before is None or second - before > _HELD else before + 1
            before = None if value is None else second
            if value is not None:
                for cell in range(max(0, since // each - first), second // each - first + 1):
                    cells[cell] = max(value, cells[cell] or 0.0)
        return cells


def bars(cells: list[float | None], limit: float | None = None) -> list[tuple[str, bool]]:
    """Runs of bars, each with whether it is over the limit.

    With a limit its height is always the same, so what comes near looks near; without one the highest bar is full.
    """
    top = max((value for value in cells if value is not None), default=0.0)
    runs: list[tuple[str, bool]] = []
    for value in cells:
        over = value is not None and limit is not None and value > limit
        bar = " " if value is None else _BARS[_height(value, limit, top)]
        if runs and runs[-1][1] == over:
            runs[-1] = runs[-1][0] + bar, over
        else:
            runs.append((bar, over))
    return runs


def _height(value: float, limit: float | None, top: float) -> int:
    if limit is None or limit <= 0:
        return round((len(_BARS) - 1) * value / top) if top > 0 else 0
    if value > limit:
        return _AT_LIMIT + (1 if value <= 1.5 * limit else 2)
    return round(_AT_LIMIT * max(0.0, value) / limit)
