"""What a screen asks of its app."""

from collections.abc import Awaitable, Callable
from typing import Any

from textual.message import Message


class Command(Message):
    """The operator wants something of what the app works with, as its run; one at a time of each ``group``."""

    def __init__(self, group: str, work: Callable[[Any], Awaitable[None]]) -> None:
        self.group = group
        self.work = work
        super().__init__()


class TakenOver(Message):
    """The run that was watched is in our hand now, and all that came with it was told."""


class LeaveAsked(Message):
    """The operator wants to quit."""


class ThemeAsked(Message):
    """The operator wants the other theme."""
