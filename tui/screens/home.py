"""What the screens have in common that an app stands on: questions, words, help, theme, and keys to click on."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.screen import Screen

from tui.postgres.rows import safe
from tui.widgets.frame import KeyBar
from tui.widgets.line import Line

from .actions import Act
from .dialog import Answer, Choice, Dialog
from .held import HeldKey
from .help import HelpScreen
from .messages import LeaveAsked, ThemeAsked

NARROW = 100
LOW = 30
"""Cells and rows below which a screen has no room for two columns."""
HIGH = 36
"""Rows from which on the gauges have one more."""


class Home(Screen[None]):
    """A screen with keys of its own (``acts``, whose bindings it makes itself) and their help."""

    acts: ClassVar[tuple[Act, ...]] = ()

    def __init__(self, clock: Callable[[], datetime], held: HeldKey | None) -> None:
        super().__init__()
        self.moment = clock
        self._held = held or HeldKey()

    def help_lines(self, width: int) -> list[Line]:
        """What ``?`` shows."""
        raise NotImplementedError

    def action_theme(self) -> None:
        self.post_message(ThemeAsked())

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self.help_lines))

    def action_leave(self) -> None:
        self.post_message(LeaveAsked())

    @on(KeyBar.Pressed)
    async def _clicked(self, event: KeyBar.Pressed) -> None:
        if self.check_action(event.action, ()) is not False:
            await self.run_action(event.action)

    async def ask(
        self,
        title: str,
        body: Callable[[int], list[Line]],
        choices: tuple[Choice, ...],
        *,
        prompt: str | None = None,
        text: str = "",
        accepts: Callable[[str], str] = lambda text: "",
        at_once: bool = False,
    ) -> Answer:
        """Put a question and wait for the answer; the screen behind it goes on."""
        dialog = Dialog(title, body, choices, self._held, prompt=prompt, text=text, accepts=accepts, at_once=at_once)
        return await self.app.push_screen_wait(dialog)

    def say(self, text: str, *, bad: bool = False) -> None:
        """A word at the edge of the screen."""
        self.notify(safe(text), severity="error" if bad else "information", markup=False, timeout=10 if bad else 5)
