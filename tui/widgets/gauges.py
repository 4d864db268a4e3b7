"""Four figures with their last minute: sessions blocked, WAL, replication lag, transactions a second."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime

from tui.engine.sample import Sample
from tui.postgres.rows import MONITOR

from .line import Line, Role
from .words import duration, number, running, size

_BARS = "▁▂▃▄▅▆▇█"
_KEPT = 60
# Figures stand still while they change: each has room for its usual width.
_WIDEST = {"blo": 2, "WAL": 9, "lag": 5, "tps": 4}


def sparkline(values: Iterable[float | None], width: int) -> str:
    """The last ``width`` values, the highest of them as a full bar; a gap where nothing is known."""
    shown = list(values)[-width:]
    top = max((v for v in shown if v is not None), default=0.0)
    bars = "".join(" " if v is None else _BARS[round((len(_BARS) - 1) * v / top) if top > 0 else 0] for v in shown)
    return bars.rjust(width)


class History:
    """What the gauges remember."""

    def __init__(self) -> None:
        self.blocked: deque[float | None] = deque(maxlen=_KEPT)
        self.wal: deque[float | None] = deque(maxlen=_KEPT)
        self.lag: deque[float | None] = deque(maxlen=_KEPT)
        self.tps: deque[float | None] = deque(maxlen=_KEPT)
        self._sample: Sample | None = None

    def add(self, sample: Sample) -> None:
        """Remember one sample's figures."""
        self._sample = sample
        self.blocked.append(sample.blocked_sessions)
        self.wal.append(sample.wal_rate)
        self.lag.append(sample.replica_lag)
        self.tps.append(sample.transaction_rate)

    def line(self, width: int, now: datetime) -> Line:
        """One row; each gauge has a quarter of it, the last one what remains. Without a monitor it says so, once."""
        sample = self._sample
        if sample is None:
            return Line(" no sample yet", "dim").pad(width)
        lost = next((source for source in sample.missing if source.name == MONITOR), None)
        if lost is not None:
            age = running((now - lost.since).total_seconds())
            return Line(" ").add(f" monitor n/a for {age} ", "badge-warn").add(f" {lost.why}", "warn").pad(width)
        gauges: list[tuple[str, deque[float | None], str, Role]] = [
            (
                "blocked",
                self.blocked,
                _count(sample.blocked_sessions),
                "warn" if sample.blocked_sessions else "",
            ),
            ("WAL", self.wal, f"{size(sample.wal_rate)}/s" if sample.wal_rate is not None else "", ""),
            (_lag_name(sample), self.lag, _lag(sample), ""),
            ("tps", self.tps, *_transactions(sample)),
        ]
        words = [
            figure.rjust(_WIDEST[name[:3]]) if figure else f"{'n/a ' if width > 100 else ''}{_why(sample, name)}"
            for name, _, figure, _ in gauges
        ]
        taken = sum(len(name) + len(word) + 4 for (name, *_), word in zip(gauges, words, strict=True))
        bars = max(0, min(_KEPT, (width - taken) // max(1, sum(bool(figure) for *_, figure, _ in gauges)) - 1))
        line = Line()
        for (name, values, figure, role), word in zip(gauges, words, strict=True):
            line.add(f" {name} ", "dim")
            if figure:
                line.add(sparkline(values, bars), role or "us").add(f" {word} ", role or "strong")
            else:
                line.add(f"{word}  ", "dim")
        return line.pad(width)


def _transactions(sample: Sample) -> tuple[str, Role]:
    """How many end a second, and how many of those are rolled back: an application that meets errors shows here."""
    rate, failed = sample.transaction_rate, sample.rollback_rate
    if rate is None or failed is None or failed < 1:
        return _count(rate), ""
    return f"{rate:.0f}, {failed:.0f} fail", "warn"


def _count(value: float | None) -> str:
    return "" if value is None else number(round(value))


def _lag(sample: Sample) -> str:
    return duration(sample.replica_lag) if sample.replica_lag is not None else ""


def _lag_name(sample: Sample) -> str:
    return f"lag {sample.replicas[0].application_name[:8]}" if len(sample.replicas) == 1 else "lag"


_SOURCES = {
    "blocked": ("activity", "locks"),
    "WAL": ("counters",),
    "lag": ("replication", "replicas"),
    "tps": ("counters",),
}


def _why(sample: Sample, gauge: str) -> str:
    """Why a figure is missing, in the sampler's words where it has some."""
    names = _SOURCES.get(gauge.split()[0], ())
    for source in sample.missing:
        if source.name in names:
            return source.why
    if gauge.startswith("lag"):
        return "no replica" if not sample.replicas else "not known yet"
    return "not known yet"
