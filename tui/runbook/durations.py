"""Durations as a runbook writes them: ``250ms``, ``3s``, ``10min``, ``1h30min``, ``14d``."""

import re

from tui.runbook.findings import quoted

FORMS = '"250ms", "3s", "10min", "1h", "14d", or joined from large to small: "1h30min"'

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1000, "ms": 1}
_DURATION = re.compile("".join(f"(?:(?P<{unit}>[0-9]{{1,12}}){unit})?" for unit in _MILLISECONDS))
_PART = re.compile(r"([0-9]+)([a-z]*)")
_LIKELY = {
    unit: right
    for right, units in {
        "ms": ("ms", "msec", "msecs", "millisecond", "milliseconds"),
        "s": ("s", "sec", "secs", "second", "seconds"),
        "min": ("m", "min", "mins", "minute", "minutes"),
        "h": ("h", "hr", "hrs", "hour", "hours"),
        "d": ("d", "day", "days"),
    }.items()
    for unit in units
}


class DurationError(ValueError):
    """A text that is no duration. ``str()`` is ``what; mend``."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}; {mend}")
        self.what = what
        self.mend = mend


def parse_duration(text: str) -> float:
    """The seconds that a runbook's duration means, exact to the millisecond.

    Raises DurationError for anything that is not one, also for zero and for a negative one.
    """
    milliseconds = _milliseconds(text)
    if milliseconds is None:
        if text.lstrip().startswith("-"):
            raise DurationError(f"is {quoted(text)}, a negative duration", f"write one above zero: {FORMS}")
        raise DurationError(f"is {quoted(text)}, not a duration", _mend(text))
    if milliseconds == 0:
        raise DurationError(f"is {quoted(text)}, a duration of zero", f"write one above zero: {FORMS}")
    return milliseconds / 1000


def format_duration(seconds: float) -> str:
    """Seconds in the runbook's own notation, rounded to the millisecond: ``5400.0`` gives ``1h30min``."""
    left = round(seconds * 1000)
    if left <= 0:
        return "0s"
    parts = []
    for unit, size in _MILLISECONDS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def _milliseconds(text: str) -> int | None:
    found = _DURATION.fullmatch(text) if text else None
    if found is None:
        return None
    return sum(int(found[unit] or 0) * size for unit, size in _MILLISECONDS.items())


def _mend(text: str) -> str:
    """What was probably meant, where only the unit's spelling or a blank is wrong; else the valid forms."""
    parts = _PART.findall(squeezed := re.sub(r"\s+", "", text.lower()))
    likely = "".join(number + _LIKELY.get(unit, "?") for number, unit in parts)
    if "".join(number + unit for number, unit in parts) == squeezed and _milliseconds(likely):
        return f'write "{likely}"'
    return f"valid are {FORMS}"
