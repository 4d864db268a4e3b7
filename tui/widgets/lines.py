"""A pane drawn line by line: only the lines that changed are drawn again, which four times a second must be cheap."""

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, Generic, TypeVar, overload

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from .line import Line, Role

ROLES: tuple[Role, ...] = Role.__args__[1:]  # type: ignore[attr-defined]

_Row = TypeVar("_Row")


class Made(Sequence[Line], Generic[_Row]):
    """A head, and then a line of each row, made when it is asked for: of thousands only those that are seen."""

    def __init__(self, head: Sequence[Line], rows: Sequence[_Row], make: Callable[[_Row], Line]) -> None:
        self._head = head
        self._rows = rows
        self._make = make
        self._made: dict[int, Line] = {}

    def __len__(self) -> int:
        return len(self._head) + len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> list[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | list[Line]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        if number < len(self._head):
            return self._head[number]
        if number not in self._made:
            self._made[number] = self._make(self._rows[number - len(self._head)])
        return self._made[number]


class Lines(ScrollView):
    """Shows what its ``build`` gives for the width; ``rebuild`` asks again and redraws what differs."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*(f"role--{role}" for role in ROLES), "row--cursor"}

    DEFAULT_CSS = """
    Lines {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        scrollbar-background: $background;
        scrollbar-color: $rule;
        height: 1fr;
        & > .role--dim { color: $text-faint; }
        & > .role--strong { text-style: bold; }
        & > .role--good { color: $text-good; }
        & > .role--bad { color: $text-bad; text-style: bold; }
        & > .role--warn { color: $text-warn; }
        & > .role--us { color: $text-us; text-style: bold; }
        & > .role--rule { color: $rule; }
        & > .role--key { color: $text-us; text-style: bold; }
        & > .role--badge-good { color: $background; background: $text-good; text-style: bold; }
        & > .role--badge-bad { color: $on-bad; background: $error; text-style: bold; }
        & > .role--badge-warn { color: $background; background: $text-warn; text-style: bold; }
        & > .role--badge-plain { color: $foreground; background: $panel; text-style: bold; }
        & > .role--sql-keyword { color: $sql-keyword; }
        & > .role--sql-string { color: $sql-string; }
        & > .role--sql-number { color: $sql-number; }
        & > .role--sql-comment { color: $text-faint; text-style: italic; }
        & > .row--cursor { background: $cursor-blur; }
        &:focus > .row--cursor { background: $cursor; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._build: Callable[[int], Sequence[Line]] = lambda width: ()
        self._lines: Sequence[Line] = ()
        self._drawn: dict[int, tuple[Line, Strip]] = {}
        self._styles: dict[Role, Style] = {}
        self._width = 0
        self._height = 0
        self.cursor_row: int | None = None

    def show(self, build: Callable[[int], Sequence[Line]]) -> None:
        """Take another builder: width in cells to lines. A sequence that makes its lines when asked is welcome."""
        self._build = build
        self.rebuild()

    def rebuild(self) -> None:
        """Build again for the present width and mark what differs for drawing."""
        width = self.scrollable_content_region.width
        if width <= 0:
            return
        self._lines = self._build(width)
        self._width = width
        self.virtual_size = Size(width, len(self._lines))
        top = self.scroll_offset.y
        for row in range(top, top + self.size.height):
            drawn = self._drawn.get(row)
            line = self._lines[row] if row < len(self._lines) else None
            if (drawn is None) != (line is None) or (drawn is not None and drawn[0] != line):
                self._drawn.pop(row, None)
                self.refresh(Region(0, row - top, self.size.width, 1))
        for row in [r for r in self._drawn if not top <= r < top + self.size.height]:
            del self._drawn[row]

    @property
    def line_count(self) -> int:
        return len(self._lines)

    @property
    def text(self) -> str:
        """Everything that the pane holds, line by line."""
        return "\n".join(self._lines[row].text for row in range(len(self._lines)))

    def move_cursor(self, row: int | None) -> None:
        """Draw the cursor on ``row`` and bring it into view."""
        if row == self.cursor_row:
            return
        for old in (self.cursor_row, row):
            if old is not None:
                self.refresh_line(old)
        self.cursor_row = row
        if row is not None:
            self.scroll_to_region(Region(0, row, 1, 1), animate=False, force=True)

    def render_line(self, y: int) -> Strip:
        row = y + self.scroll_offset.y
        base = self._style("")
        width = self.size.width
        if row >= len(self._lines):
            return Strip.blank(width, base)
        drawn = self._drawn.get(row)
        line = self._lines[row]
        if drawn is None or drawn[0] != line:
            strip = Strip([Segment(text, self._style(role)) for text, role in line.cut(width).parts])
            drawn = line, strip.adjust_cell_length(width, base)
            self._drawn[row] = drawn
        strip = drawn[1]
        if row == self.cursor_row:
            background = self.get_component_rich_style("row--cursor").bgcolor
            strip = strip.apply_style(Style.null()) if background is None else _over(strip, background, base)
        return strip

    def _style(self, role: Role) -> Style:
        # Textual goes through all ancestors for it, and forgets it at each refresh.
        style = self._styles.get(role)
        if style is None:
            style = self.rich_style
            if role:
                style += self.get_component_rich_style(f"role--{role}", partial=True)
            self._styles[role] = style
        return style

    def notify_style_update(self) -> None:
        self._drawn.clear()
        self._styles.clear()
        super().notify_style_update()

    def on_resize(self, event: events.Resize) -> None:
        self._drawn.clear()
        self.rebuild()


def _over(strip: Strip, background: object, base: Style) -> Strip:
    """The strip on the cursor's ground; pieces with a ground of their own (badges) keep it."""
    ground = Style(bgcolor=background)  # type: ignore[arg-type]
    return Strip(
        [
            Segment(text, (style or base) + ground if style is None or style.bgcolor == base.bgcolor else style)
            for text, style, _ in strip
        ],
        strip.cell_length,
    )


class CursorLines(Lines):
    """Lines with a cursor that stays on the same key when the lines change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor(-1)", "Up", show=False),
        Binding("down", "cursor(1)", "Down", show=False),
        Binding("pageup", "cursor(-10)", "Page up", show=False),
        Binding("pagedown", "cursor(10)", "Page down", show=False),
        Binding("home", "cursor(-100000)", "First", show=False),
        Binding("end", "cursor(100000)", "Last", show=False),
        Binding("right", "unfold", "Unfold", show=False),
        Binding("left", "fold", "Fold", show=False),
    ]

    class Moved(Message):
        """The operator moved the cursor, by key or mouse."""

        def __init__(self, key: Hashable) -> None:
            self.key = key
            super().__init__()

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.keys: Sequence[Hashable | None] = ()
        self.cursor: Hashable | None = None
        self.unfolded: set[Hashable] = set()

    def put(self, key: Hashable | None) -> None:
        """Set the cursor without telling anybody; ``place`` draws it, once the lines are those that it belongs to."""
        self.cursor = key

    def place(self) -> None:
        """Bring the cursor's row to where its key stands now; a key that is gone takes the cursor with it."""
        if self.cursor is not None and self.cursor not in self.keys:
            self.cursor = None
        self.move_cursor(None if self.cursor is None else list(self.keys).index(self.cursor))

    def action_cursor(self, by: int) -> None:
        rows = [row for row, key in enumerate(self.keys) if key is not None]
        if not rows:
            return
        outside = -1 if by > 0 else len(rows)
        here = rows.index(self.cursor_row) if self.cursor_row in rows else outside
        self._go(rows[max(0, min(len(rows) - 1, here + by))])

    def _go(self, row: int) -> None:
        self.cursor = self.keys[row]
        self.move_cursor(row)
        self.post_message(self.Moved(self.cursor))

    def on_click(self, event: events.Click) -> None:
        row = event.y + self.scroll_offset.y
        if row < len(self.keys) and self.keys[row] is not None:
            self._go(row)

    def action_unfold(self) -> None:
        if self.cursor is not None:
            self.unfolded.add(self.cursor)
            self.rebuild()

    def action_fold(self) -> None:
        self.unfolded.clear()
        self.rebuild()
