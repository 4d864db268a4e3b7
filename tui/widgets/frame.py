"""What stands between the panes: rules with their joints, and the row of keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.message import Message
from textual.widget import Widget

from .line import Line, Role
from .lines import Lines


class Rule(Lines):
    """A horizontal line; ``joint`` is the column where the vertical one meets it. It may bear a title."""

    can_focus = False

    def __init__(self, *, id: str, mark: str = "") -> None:
        super().__init__(id=id)
        self._mark = mark
        self.joint: int | None = None
        self.lit = False
        self.title = Line()

    def on_mount(self) -> None:
        self.show(self._content)

    def light(self, lit: bool) -> None:
        """A lit rule stands over the pane that has the focus."""
        if lit != self.lit:
            self.lit = lit
            self.rebuild()

    def entitle(self, title: Line) -> None:
        """Writes this at the rule's beginning."""
        if title != self.title:
            self.title = title
            self.rebuild()

    def join_at(self, column: int | None) -> None:
        if column != self.joint:
            self.joint = column
            self.rebuild()

    def _content(self, width: int) -> list[Line]:
        if self.joint is None or not self._mark or self.joint >= width:
            row = "─" * width
        else:
            row = "─" * self.joint + self._mark + "─" * (width - self.joint - 1)
        role: Role = "us" if self.lit else "rule"
        if not self.title.parts:
            return [Line(row[:1000], role)]
        line = Line("── ", role).extend(self.title.cut(width - 5)).add(" ")
        return [line.add("─" * (width - line.cells), role)]


class Divider(Lines):
    """The vertical line, with a joint where one of the rules at its right begins."""

    can_focus = False

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._joints: frozenset[int] = frozenset()

    def on_mount(self) -> None:
        self.show(lambda width: [Line("├" if y in self._joints else "│", "rule") for y in range(self.size.height)])

    def meet(self, rules: Sequence[Widget]) -> None:
        """Draw the joints where these rules stand now."""
        joints = frozenset(rule.region.y - self.region.y for rule in rules if rule.display and rule.region.height)
        if joints != self._joints:
            self._joints = joints
            self.rebuild()


@dataclass(frozen=True, slots=True)
class Hint:
    """A key that works now. ``weight`` 0 stays on the narrowest screen."""

    key: str
    label: str
    action: str
    weight: int = 1


class KeyBar(Lines):
    """The keys that work now; a click on one presses it."""

    can_focus = False
    COMPONENT_CLASSES: ClassVar[set[str]] = Lines.COMPONENT_CLASSES

    class Pressed(Message):
        """A key was clicked."""

        def __init__(self, action: str) -> None:
            self.action = action
            super().__init__()

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._hints: Sequence[Hint] = ()
        self._spans: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        self.show(self._content)

    def offer(self, hints: Sequence[Hint]) -> None:
        """Show these keys, in this order."""
        if hints != self._hints:
            self._hints = hints
            self.rebuild()

    def _content(self, width: int) -> list[Line]:
        hints = list(self._hints)
        gap = "   "
        while hints and 1 + sum(_cells(h) + len(gap) for h in hints) > width:
            if gap == "   ":
                gap = "  "
                continue
            heaviest = max(h.weight for h in hints)
            if heaviest == 0:
                break
            hints.remove(next(h for h in reversed(hints) if h.weight == heaviest))
        line = Line(" ")
        self._spans = []
        for hint in hints:
            begin = line.cells
            line.add(hint.key, "key").add(f" {hint.label}")
            self._spans.append((begin, line.cells, hint.action))
            line.add(gap)
        return [line.cut(width)]

    def on_click(self, event: events.Click) -> None:
        for begin, end, action in self._spans:
            if begin <= event.x < end:
                self.post_message(self.Pressed(action))


def _cells(hint: Hint) -> int:
    return Line(f"{hint.key} {hint.label}").cells
