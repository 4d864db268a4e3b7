"""One question over the console, with the harmless answer as the default; behind it everything goes on moving."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from tui.postgres.rows import safe
from tui.widgets.line import Line
from tui.widgets.lines import Lines

from .held import HeldKey

NO = "no"


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer. ``harmless`` is the default; ``danger`` changes the database or somebody's session."""

    id: str
    label: str
    kind: Literal["harmless", "act", "danger"] = "act"
    needs_text: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    choice: str
    text: str = ""

    @property
    def no(self) -> bool:
        return self.choice == NO


class DialogBody(Lines):
    can_focus = False


class ChoiceButton(Button):
    """Enter presses it by the rule of held keys, and in its turn: as a binding with priority it would overtake an
    arrow that came just before it, and so give the answer that the operator was moving away from.
    """

    def __init__(self, choice: Choice, held: HeldKey) -> None:
        super().__init__(
            Content(f" {safe(choice.label)} "), id=f"choice-{choice.id}", classes=f"-{choice.kind}", compact=True
        )
        self._held_key = held

    def action_press(self) -> None:
        if self._held_key.takes():
            self.press()


class Dialog(ModalScreen[Answer]):
    """``body`` is asked again every second, so that a clock in it goes on. Escape is always the harmless answer.

    ``accepts`` judges the typed text and gives a complaint, or nothing; with ``at_once`` Enter in the field answers
    with the last choice, else it only leads to it.
    """

    CSS_PATH = "dialog.tcss"
    AUTO_FOCUS = None

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "harmless", "No", id="dialog.no", show=False),
        Binding("left", "app.focus_previous", "Previous", id="dialog.previous", show=False),
        Binding("right", "app.focus_next", "Next", id="dialog.next", show=False),
        Binding("up", "scroll(-1)", "Up", id="dialog.up", show=False),
        Binding("down", "scroll(1)", "Down", id="dialog.down", show=False),
        Binding("pageup", "scroll(-8)", "Page up", id="dialog.page_up", show=False),
        Binding("pagedown", "scroll(8)", "Page down", id="dialog.page_down", show=False),
    ]

    def __init__(
        self,
        title: str,
        body: Callable[[int], list[Line]],
        choices: Sequence[Choice],
        held: HeldKey,
        *,
        prompt: str | None = None,
        text: str = "",
        accepts: Callable[[str], str] = lambda text: "",
        at_once: bool = False,
    ) -> None:
        super().__init__()
        self._title = title
        self._body = body
        self._choices = choices
        self._held = held
        self._prompt = prompt
        self._text = text
        self._accepts = accepts
        self._at_once = at_once
        self._complaint = ""

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield DialogBody(id="dialog-body")
            if self._prompt is not None:
                yield Input(self._text, placeholder=self._prompt, id="dialog-input", max_length=500)
            with Horizontal(id="dialog-choices"):
                for choice in self._choices:
                    yield ChoiceButton(choice, self._held)

    def on_mount(self) -> None:
        box = self.query_one("#dialog")
        box.border_title = Content(safe(self._title))
        box.set_class(any(choice.kind == "danger" for choice in self._choices), "-danger")
        self.query_one(DialogBody).show(self._lines)
        self._held.rest()
        self.set_interval(1.0, self.refresh_body)
        if self._prompt is not None:
            self.query_one(Input).focus()
        else:
            self.query_one(f"#choice-{self._choices[0].id}").focus()

    def refresh_body(self) -> None:
        """Ask the body again."""
        self.query_one(DialogBody).rebuild()

    def _lines(self, width: int) -> list[Line]:
        lines = self._body(width)
        if self._complaint:
            lines = [*lines, Line(self._complaint, "bad")]
        body = self.query_one(DialogBody)
        around = 8 if self._prompt is None else 12
        room = max(1, self.size.height - around)
        body.styles.height = max(1, min(len(lines), room))
        self.query_one("#dialog").border_subtitle = Content("↑ ↓ more" if len(lines) > room else "")
        return lines

    def action_scroll(self, by: int) -> None:
        self.query_one(DialogBody).scroll_relative(y=by, animate=False)

    def action_harmless(self) -> None:
        self._leave(Answer(NO))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._held.takes():
            self._typed(event.value)

    def _typed(self, text: str) -> None:
        if self._complains(text):
            return
        last = self._choices[-1]
        if self._at_once:
            self._leave(Answer(last.id, text))
        else:
            self.query_one(f"#choice-{last.id}").focus()

    def _complains(self, text: str) -> bool:
        self._complaint = self._accepts(text)
        self.refresh_body()
        return bool(self._complaint)

    def on_input_changed(self) -> None:
        if self._complaint:
            self._complaint = ""
            self.refresh_body()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        choice = next(c for c in self._choices if event.button.id == f"choice-{c.id}")
        text = self.query_one(Input).value if self._prompt is not None else ""
        if choice.needs_text and self._complains(text):
            self.query_one(Input).focus()
            return
        self._leave(Answer(choice.id, text))

    def _leave(self, answer: Answer) -> None:
        self._held.rest()
        self.dismiss(answer)
