"""What the console asks of the app."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from tui.engine.run import Run


class Command(Message):
    """The operator wants something of the run; one at a time of each ``group``."""

    def __init__(self, group: str, work: "Callable[[Run], Awaitable[None]]") -> None:
        self.group = group
        self.work = work
        super().__init__()


class TakenOver(Message):
    """The run that was watched is in our hand now, and all that came with it was told."""


class LeaveAsked(Message):
    """The operator wants to quit."""


class ThemeAsked(Message):
    """The operator wants the other theme."""
