"""The sessions of the server, one a line; the cursor stays on its session however the list is sorted anew."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.engine.roster import Roster
from tui.postgres.rows import Session, safe

from .line import Line, Role, wrap
from .lines import CursorLines, Made
from .words import running

_OLD = 60.0
"""Seconds after which a transaction that nobody works in is worth a look."""
_WIDE = 110
_MEASURED = 50
"""So many sessions make the columns as wide as they are on the screen."""
_STATES = {
    "idle in transaction": "idle in tx",
    "idle in transaction (aborted)": "aborted tx",
    "fastpath function call": "fastpath",
}


@dataclass(frozen=True, slots=True)
class _Column:
    """``widest`` on a wide screen and ``narrow`` on a small one, in cells; 0 is not there."""

    title: str
    least: int
    narrow: int
    widest: int
    order: str = ""
    right: bool = False


_COLUMNS = (
    _Column("pid", 6, 7, 7, "pid", True),
    _Column("database", 9, 9, 16, "database"),
    _Column("role", 4, 0, 14),
    _Column("application", 12, 12, 22, "application"),
    _Column("client", 6, 0, 15),
    _Column("state", 6, 10, 10),
    _Column("for", 5, 0, 8, "state", True),
    _Column("waits for", 10, 15, 22, "wait"),
    _Column("in tx", 6, 7, 8, "transaction", True),
)


class SessionsPane(CursorLines):
    """Fed with rosters; says why where there is none to draw."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._roster = Roster()
        self._instead = ""
        self._widths: dict[str, int] = {}

    def on_mount(self) -> None:
        self.show(self._content)

    def feed(self, roster: Roster, instead: str = "") -> None:
        """Draw these, or ``instead`` where nothing is known of any."""
        self._roster, self._instead = roster, instead
        # A column only ever grows: what shrinks and grows by itself cannot be read.
        for column, cells in zip(_COLUMNS, _needed(roster, _MEASURED), strict=True):
            self._widths[column.title] = max(cells, self._widths.get(column.title, 0))
        self.rebuild()
        self.place()

    @property
    def selected(self) -> int | None:
        """The pid under the cursor."""
        return self.cursor if isinstance(self.cursor, int) else None

    def head(self, width: int, order: str) -> Line:
        """The columns' titles; the one that the list is sorted by is marked."""
        return _head(self._fit(width), order).cut(width) if self._roster.sessions else Line()

    def _fit(self, width: int) -> list[tuple[_Column, int]]:
        """The columns that there is room for and that anybody has something in, each with its width."""
        wide = width >= _WIDE
        fitted = [(one, min(one.widest if wide else one.narrow, self._widths.get(one.title, 0))) for one in _COLUMNS]
        return [(column, cells) for column, cells in fitted if cells]

    def _content(self, width: int) -> Sequence[Line]:
        if self._instead:
            self.keys = ()
            return wrap(self._instead, width - 1, "warn", indent=" ")
        sessions = self._roster.sessions
        self.keys = [one.pid for one in sessions]
        columns = self._fit(width)
        return Made([], sessions, lambda one: _line(one, columns, self._roster, width))


def whole_list(roster: Roster, order: str) -> list[str]:
    """The same list with nothing cut off, as text."""
    columns = list(zip(_COLUMNS, _needed(roster, len(roster.sessions)), strict=True))
    rows = [f"{_cells(one, columns, roster).text}{safe(' '.join(one.query.split()))}" for one in roster.sessions]
    return [_head(columns, order).text, *rows]


def _needed(roster: Roster, most: int) -> list[int]:
    """How wide the first so many make each column, and at least its title; 0 where nobody has anything in it."""
    widest = (max((cell_len(_cell(one, c, roster)[0]) for one in roster.sessions[:most]), default=0) for c in _COLUMNS)
    return [max(cells, column.least) if cells else 0 for cells, column in zip(widest, _COLUMNS, strict=True)]


def _head(columns: list[tuple[_Column, int]], order: str) -> Line:
    line = Line(" ")
    for column, cells in columns:
        marked = column.order == order
        title = f"{column.title}▾" if marked else column.title
        line.column(title, cells, "strong" if marked else "dim", right=column.right).add(" ")
    return line.add("query", "dim")


def _line(one: Session, columns: list[tuple[_Column, int]], roster: Roster, width: int) -> Line:
    query = " ".join(one.query[: 2 * width].split())
    return _cells(one, columns, roster).add(query, "dim" if one.state.startswith("idle") else "").cut(width)


def _cells(one: Session, columns: list[tuple[_Column, int]], roster: Roster) -> Line:
    line = Line(" ")
    for column, cells in columns:
        text, role = _cell(one, column, roster)
        line.column(text, cells, role, right=column.right).add(" ")
    return line


def _cell(one: Session, column: _Column, roster: Roster) -> tuple[str, Role]:
    match column.title:
        case "pid":
            return str(one.pid), ""
        case "database":
            return one.database, ""
        case "role":
            return one.user, ""
        case "application":
            return (one.application_name, "") if one.application_name else (_kind(one), "dim")
        case "client":
            return one.client, "dim"
        case "state":
            return _state(one, roster.workers.get(one.pid, 0))
        case "for":
            return running(one.state_seconds) if one.state_seconds is not None else "", "dim"
        case "waits for":
            return _wait(one, roster.waits.get(one.pid))
        case _:
            return _age(one)


def _kind(one: Session) -> str:
    return one.backend_type if one.backend_type != "client backend" else ""


def _state(one: Session, workers: int) -> tuple[str, Role]:
    word = _STATES.get(one.state, one.state)
    if workers:
        return f"{word} +{workers}", ""
    if one.state.startswith("idle in"):
        return word, "warn"
    return word, "dim" if one.state == "idle" else ""


def _wait(one: Session, seconds: float | None) -> tuple[str, Role]:
    """A lock with how long; anything else by the server's own name, dim where it only waits for its client."""
    if seconds is not None:
        return f"◷ {running(seconds)} {one.wait_event if one.wait_event_type == 'Lock' else 'lock'}", "warn"
    if not one.wait_event:
        return "", ""
    return one.wait_event, "dim" if one.wait_event_type in ("Client", "Activity") else ""


def _age(one: Session) -> tuple[str, Role]:
    if one.transaction_seconds is None:
        return "", ""
    old = one.transaction_seconds > _OLD and one.state.startswith("idle in")
    return running(one.transaction_seconds), "warn" if old else ""
