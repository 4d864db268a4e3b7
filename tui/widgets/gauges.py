"""The gauges: each figure with its last minute in bars, drawn against the limit that the runbook sets it."""

from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len

from tui.engine.sample import Sample
from tui.postgres.rows import MONITOR

from .figures import Gauge, Limits, Past, failed, gauges, named
from .line import Line, Role
from .sparkline import Series, bars
from .words import duration, running

_COLUMN = 24
"""Cells that a gauge has at least, where there are several rows of them."""
_FEWEST, _MOST = 8, 60
"""Cells of a sparkline: it gives up words before it has fewer than the first, and needs no more than the second."""
_WORDS = 12
"""Cells beside the bars' that words in the place of a figure may take from the others."""
_WIDEST = {"blocked": 2, "behind": 5, "WAL": 9, "tps": 4, "monitor": 10, "temp": 8, "xmin": 6}
"""Figures stand still while they change: each has room for its usual width."""


class History:
    """What the gauges remember. ``limits`` may change at any time: they are drawn in, not remembered."""

    def __init__(self) -> None:
        self.limits = Limits()
        self._series: dict[str, Series] = {}
        self._sample: Sample | None = None
        self._past = Past()
        self._written = 0

    def add(self, sample: Sample) -> None:
        """Remember one sample's figures."""
        self._sample = sample
        self._past = self._remembered(sample)
        for gauge in gauges(sample, self.limits, self._past):
            self._series.setdefault(gauge.key, Series()).add(sample.at, gauge.value)

    def _remembered(self, sample: Sample) -> Past:
        known, gone, temp = self._past.replicas, self._past.gone or {}, self._past.temp
        if not failed(sample, ("replication",)):
            present = named(sample.replicas)
            # Who never told how far it is (pg_receivewal) is no replica that could be missed.
            known |= {name for name, replica in present.items() if replica.replay_lag_bytes is not None}
            gone = {name: gone.get(name, sample.at) for name in known - set(present)}
        written = sample.counters.temp_bytes if sample.counters is not None else None
        if self.limits.window is None:
            temp = None
        elif written is not None and (temp is None or written < self._written):
            temp = sample.at, written
        self._written = self._written if written is None else written
        return Past(known, gone, temp)

    def lines(self, width: int, now: datetime, height: int = 1) -> list[Line]:
        """``height`` rows of gauges in columns. Without a monitor the first row says so, once."""
        sample = self._sample
        if sample is None:
            return _rows([Line(" no sample yet", "dim")], width, height)
        lost = next((source for source in sample.missing if source.name == MONITOR), None)
        if lost is not None:
            age = running((now - lost.since).total_seconds())
            said = Line(" ").add(f" monitor n/a for {age} ", "badge-warn").add(f" {lost.why}", "warn")
            return _rows([said], width, height)
        found = gauges(sample, self.limits, self._past)
        columns = max(4, width // 20) if height == 1 else max(1, width // _COLUMN)
        columns = min(columns, -(-len(found) // height))
        while True:
            shown = _chosen(found, columns * height)
            cells = [_Cell(gauge, self._series.get(gauge.key), sample, now) for gauge in shown]
            drawn = [cells[n::columns] for n in range(columns)]
            # A figure that is cut off would be another figure: rather one gauge less.
            if columns == 1 or _bars_in(drawn, width, 0) >= 0:
                return _rows(_draw(drawn, width), width, height)
            columns -= 1


class _Cell:
    """One gauge in its place: its figure, short and long. Of a source that failed the last one known, with its age."""

    def __init__(self, gauge: Gauge, series: Series | None, sample: Sample, now: datetime) -> None:
        self.gauge, self.series = gauge, series
        self.role: Role = gauge.role or "strong"
        why = failed(sample, gauge.sources)
        if gauge.value is not None:
            short = gauge.words(gauge.value)
            self.texts = short, gauge.more or short
        elif why and series is not None and series.last is not None:
            at, value = series.last
            old = f"{gauge.words(value)}, {_age(now, at)} old"
            self.texts, self.role = (old, f"{old}: {why}"), "warn"
        else:
            self.texts = (f"n/a {why.partition(':')[0]}", f"n/a {why}") if why else (gauge.why, gauge.why)
            self.role = gauge.role or "dim"

    def room(self, which: int) -> int:
        """Cells that the figure needs; words in the place of one have the bars' as well."""
        usual = _WIDEST.get(self.gauge.key, 4)
        if self.gauge.value is None:
            return max(usual, min(_WORDS, cell_len(self.texts[0]) - _FEWEST // 2 - 1))
        return max(usual, cell_len(self.texts[which]))

    def draw(self, line: Line, which: int, cells: int, room: int) -> None:
        """Bars and figure, ``cells + 1 + room`` wide."""
        if self.gauge.value is None:
            whole = cells + 1 + room
            line.column(self.texts[cell_len(self.texts[1]) <= whole], whole, self.role)
            return
        if cells and self.series is not None:
            for run, over in bars(self.series.cells(cells), self.gauge.limit):
                warned = over or (self.gauge.limit is None and self.role == "warn")
                line.add(run, "warn" if warned else "us")
        line.add(" ").column(self.texts[which], room, self.role)


def _names(columns: Sequence[Sequence[_Cell]]) -> list[int]:
    return [max(cell_len(cell.gauge.name) for cell in column) for column in columns]


def _rooms(columns: Sequence[Sequence[_Cell]], which: int) -> list[int]:
    return [max(cell.room(which) for cell in column) for column in columns]


def _bars_in(columns: Sequence[Sequence[_Cell]], width: int, which: int) -> int:
    """How many cells are left for each one's bars; fewer than none where the figures alone do not fit."""
    return (width - sum(_names(columns)) - sum(_rooms(columns, which))) // len(columns) - 3


def _draw(columns: Sequence[Sequence[_Cell]], width: int) -> list[Line]:
    which = 1 if _bars_in(columns, width, 1) >= _FEWEST else 0
    cells = min(_MOST, _bars_in(columns, width, which))
    names, rooms = _names(columns), _rooms(columns, which)
    rows = [Line() for _ in range(max(map(len, columns)))]
    for column, name, room in zip(columns, names, rooms, strict=True):
        for row, cell in zip(rows, column, strict=False):
            row.add(" ").column(cell.gauge.name, name, "dim").add(" ")
            cell.draw(row, which, max(0, cells), room)
    return rows


def _rows(lines: Sequence[Line], width: int, height: int) -> list[Line]:
    return [(lines[row] if row < len(lines) else Line()).pad(width) for row in range(height)]


def _chosen(found: Sequence[Gauge], places: int) -> list[Gauge]:
    """The first by rank, of whom the last give way to those that are urgent; in the order of their ranks."""
    urgent = [gauge for gauge in found if gauge.urgent][:places]
    quiet = [gauge for gauge in found if not gauge.urgent]
    return sorted([*urgent, *quiet[: places - len(urgent)]], key=lambda gauge: gauge.rank)


def _age(now: datetime, at: datetime) -> str:
    seconds = max(0.0, (now - at).total_seconds())
    return f"{seconds:.0f} s" if seconds < 60 else duration(seconds)
