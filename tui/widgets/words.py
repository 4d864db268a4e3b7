"""Figures in words: durations, moments, sizes. Seconds and bytes in, short text out; None is ``—``."""

import re
from datetime import datetime

UNKNOWN = "—"

_LONG_NUMBERS = re.compile(r"-?\d+|between \S+ and \S+")


def clock(at: datetime | None, *, seconds: bool = False) -> str:
    """``01:31`` or ``01:31:07`` in the operator's own time zone."""
    if at is None:
        return UNKNOWN
    return at.astimezone().strftime("%H:%M:%S" if seconds else "%H:%M")


def running(seconds: float | None) -> str:
    """``0:07``, ``14:02``, ``1:02:03``: for what is counted while one looks at it."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def duration(seconds: float | None) -> str:
    """``41 ms``, ``6.1 s``, ``14 min``, ``2 h 5 min``: for what is measured and over."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 600 and int(seconds) % 60:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def expected(span: tuple[float, float] | None) -> str:
    """``5–10 s``, ``20 s``, ``2–5 min``, or nothing where the runbook says nothing."""
    if span is None:
        return ""
    low, high = span
    if low == high:
        return _round(high)
    unit, divisor = ("min", 60) if low >= 60 and low % 60 == high % 60 == 0 else ("s", 1)
    if high >= 120 and unit == "s":
        return f"{_round(low)}–{_round(high)}"
    return f"{low / divisor:g}–{high / divisor:g} {unit}"


def _round(seconds: float) -> str:
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"


def size(count: float | None) -> str:
    """``640 B``, ``3.1 MB``, ``1.2 GB``; powers of 1000."""
    if count is None:
        return UNKNOWN
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def about(count: int, noun: str) -> str:
    """``950 rows``, ``20 k rows``, ``1.2 M rows``."""
    for unit, divisor in (("k", 10**3), ("M", 10**6), ("G", 10**9)):
        if 10**3 <= count < divisor * 999.5:
            rounded = count / divisor
            return f"{rounded:.0f} {unit} {noun}s" if rounded >= 9.95 else f"{rounded:.1f} {unit} {noun}s"
    return counted(count, noun)


def number(count: int) -> str:
    """``300 000``: thousands apart."""
    return f"{count:,}".replace(",", " ")


def grouped(text: str) -> str:
    """What a check expected or found, long whole numbers with their thousands apart: ``between 1 and 1 000 000``."""
    if _LONG_NUMBERS.fullmatch(text) is None:
        return text
    return re.sub(r"(?<![\d.])\d{5,15}(?!\d)", lambda digits: number(int(digits[0])), text)


def counted(count: int, noun: str) -> str:
    """``1 session``, ``17 sessions``."""
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"


def listed(names: tuple[str, ...], most: int = 4) -> str:
    """``004, 005`` or ``004, 005, 006, 007 and 3 more``."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
