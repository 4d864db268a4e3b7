"""``?``: the signs and the keys."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen

from tui.widgets.line import Line, Role, wrap
from tui.widgets.lines import Lines

from .actions import Act

_SIGNS: tuple[tuple[str, Role, str], ...] = (
    ("✓", "good", "done, committed, passed"),
    ("▶", "us", "running"),
    ("◷", "warn", "waits for a lock, or for its next try"),
    ("○", "dim", "to come"),
    ("✗", "bad", "failed"),
    ("?", "bad", "in doubt: the server must say"),
    ("↺", "warn", "rolled back"),
    ("!", "warn", "gone past with a reason, or worth a look"),
)
_TREE = (
    ("└─", "waits for the session above, which holds the lock"),
    ("└┄", "waits behind the session above, which only stands before it in the queue"),
    ("└▶", "our own session"),
    ("~", "before a time: not the server's own clock yet, measured by us"),
)
_WORDS: tuple[tuple[str, Role, str], ...] = (
    ("proven", "good", "in rehearsal the way back ended where it began"),
    ("lossy", "warn", "it got through and ended elsewhere; the step's line tells where"),
    ("failed", "bad", "the step, a verification of it or its way back failed in rehearsal"),
    ("untested", "bad", "nobody has tried it, or nothing is there to try"),
    ("stale", "warn", "a script has changed since it was rehearsed"),
    ("one-way", "warn", "it got through in rehearsal; after it there is no way back, and going on asks first"),
)
_DEADLINE = (
    "roll back by: the window's end less the time of going back from here in rehearsal, longer where the tables are "
    "larger here, less a margin of half of it and 30 s at least. A step that would end later asks first."
)
_MOVES = (
    ("tab", "next pane; its rule lights up"),
    ("↑ ↓", "move or scroll in the pane"),
    ("→ ←", "unfold, fold"),
    ("^p", "every action by name"),
)


class HelpScreen(ModalScreen[None]):
    """Signs and keys, over the console."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", id="help.close", show=False),
    ]

    def __init__(self, lines: Callable[[int], list[Line]]) -> None:
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        yield Lines(id="help")

    def on_mount(self) -> None:
        pane = self.query_one("#help", Lines)
        pane.border_title = Content("Signs and keys")
        pane.border_subtitle = Content("esc closes")
        pane.show(self._lines)
        pane.focus()


def console_help(acts: Sequence[Act], width: int) -> list[Line]:
    """Keys first, then the signs."""
    lines = [*key_lines(acts, width), Line(), Line("Signs", "strong")]
    for sign, role, text in _SIGNS:
        lines += entry(sign, role, text, width)
    lines += [Line(), *tree_lines(width), Line(), Line("Rehearsal", "strong")]
    for word, role, text in _WORDS:
        lines += entry(word, role, text, width, 10)
    return [*lines, *wrap(_DEADLINE, width - 1, indent="  ")]


def key_lines(acts: Sequence[Act], width: int) -> list[Line]:
    """A screen's own keys, then those that every screen has."""
    lines = [Line("Keys", "strong")]
    for act in acts:
        lines += entry(act.name, "key", act.help, width)
    for key, text in _MOVES:
        lines += entry(key, "key", text, width)
    return lines


def tree_lines(width: int) -> list[Line]:
    """The strokes of the lock tree."""
    lines = [Line("In the lock tree", "strong")]
    for sign, text in _TREE:
        lines += entry(sign, "us", text, width)
    return lines


def entry(sign: str, role: Role, text: str, width: int, room: int = 7) -> list[Line]:
    """A sign, and behind it what it means."""
    first, *rest = wrap(text, width - room - 2)
    head = Line("  ").column(sign, room, role).extend(first)
    return [head, *(Line(" " * (room + 2)).extend(line) for line in rest)]
