"""A row of the screen as pieces of text, each with a role that the theme gives a colour. Knows no markup at all."""

import re
from collections.abc import Iterable
from typing import Literal

from rich.cells import cell_len, chop_cells, set_cell_size

from tui.postgres.rows import safe

Role = Literal[
    "",
    "dim",
    "strong",
    "good",
    "bad",
    "warn",
    "us",
    "rule",
    "key",
    "badge-good",
    "badge-bad",
    "badge-warn",
    "badge-plain",
    "sql-keyword",
    "sql-string",
    "sql-number",
    "sql-comment",
]

# No terminal is wider; longer foreign text is not even looked at.
_LONGEST = 1000


class Line:
    """One row. Every text that is added is made safe, so no builder can forget it."""

    __slots__ = ("parts",)

    def __init__(self, text: str = "", role: Role = "") -> None:
        self.parts: list[tuple[str, Role]] = []
        self.add(text, role)

    def add(self, text: str, role: Role = "") -> "Line":
        """Append foreign or own text; returns the line itself."""
        if text:
            self.parts.append((safe(text[:_LONGEST]), role))
        return self

    def extend(self, other: "Line") -> "Line":
        """Append another line's pieces."""
        self.parts.extend(other.parts)
        return self

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.parts)

    @property
    def cells(self) -> int:
        """The width in terminal cells."""
        return sum(_cells(text) for text, _ in self.parts)

    def cut(self, width: int) -> "Line":
        """At most ``width`` cells; ``…`` marks what is missing."""
        if self.cells <= width:
            return self
        line, left = Line(), width - 1
        for text, role in self.parts:
            cells = _cells(text)
            if cells > left:
                line.parts.append((set_cell_size(text, max(0, left)) + "…", role))
                break
            line.parts.append((text, role))
            left -= cells
        return line if width > 0 else Line()

    def pad(self, width: int) -> "Line":
        """Exactly ``width`` cells."""
        line = self.cut(width)
        missing = width - line.cells
        return Line().extend(line).add(" " * missing) if missing else line

    def column(self, text: str, width: int, role: Role = "", *, right: bool = False) -> "Line":
        """Append text cut or filled to ``width`` cells and return the line itself."""
        piece = Line(text, role).cut(width)
        fill = " " * (width - piece.cells)
        return self.add(fill).extend(piece) if right else self.extend(piece).add(fill)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Line) and self.parts == other.parts

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Line({self.text!r})"


def _cells(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def spread(left: Line, right: Line, width: int) -> Line:
    """``left`` and ``right`` at the two ends; the left one is cut first."""
    if right.cells > width:
        right = right.cut(width)
    room = width - right.cells - (2 if right.parts else 0)
    kept = left.cut(max(0, room))
    return Line().extend(kept).add(" " * (width - kept.cells - right.cells)).extend(right)


def join(pieces: Iterable[Line], gap: str = "   ") -> Line:
    """The pieces that say something, with ``gap`` between them."""
    line = Line()
    for piece in pieces:
        if piece.parts:
            if line.parts:
                line.add(gap)
            line.extend(piece)
    return line


def fold(line: Line, width: int, indent: str = "") -> list[Line]:
    """All of the line in rows of ``width`` cells, the later ones under ``indent``, broken at blanks where it can be."""
    rows: list[Line] = [Line()]
    for text, role in line.parts:
        for piece in re.findall(r"\s+|\S+", text):
            for part in chop_cells(piece, max(1, width - cell_len(indent))) or [""]:
                if rows[-1].cells + cell_len(part) > width:
                    rows.append(Line(indent))
                    if part.isspace():
                        continue
                rows[-1].add(part, role)
    return rows


def wrap(text: str, width: int, role: Role = "", *, indent: str = "", limit: int = 200) -> list[Line]:
    """Text broken at blanks into rows of ``width`` cells; at most ``limit`` rows, the last one says what is missing."""
    room = max(8, width - cell_len(indent))
    rows: list[str] = []
    for paragraph in safe(text[: room * limit * 2], lines=True).expandtabs(4).splitlines() or [""]:
        rows.extend(_wrapped(paragraph.rstrip(), room))
        if len(rows) > limit:
            break
    if len(rows) > limit:
        rows[limit - 1 :] = ["…"]
    return [Line(indent).add(row, role) for row in rows]


def _wrapped(paragraph: str, width: int) -> list[str]:
    rows: list[str] = []
    row: str | None = None
    for word in paragraph.split(" "):
        longer = word if row is None else f"{row} {word}"
        if cell_len(longer) <= width:
            row = longer
            continue
        if row:
            rows.append(row)
        *full, row = chop_cells(word, width) or [""]
        rows.extend(full)
    return [*rows, row or ""]
