"""``k``: a close look at a session, then its end or that of its query, where the operator says so."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from tui.engine.operator import Action, SignalPreview
from tui.engine.sample import Sample
from tui.widgets.line import Line
from tui.widgets.signal import signal_lines

from .dialog import NO, Answer, Choice


class Signaller(Protocol):
    """Who looks closely and signals: a run, or the watch console."""

    async def preview_signal(self, pid: int) -> SignalPreview: ...

    async def signal(self, preview: SignalPreview, action: Action) -> None: ...


Ask = Callable[[str, Callable[[int], list[Line]], tuple[Choice, ...]], Awaitable[Answer]]
"""Title, body by width, choices: puts a question and waits for the answer."""


async def signal(
    ask: Ask,
    newest: Callable[[], Sample | None],
    clock: Callable[[], datetime],
    who: Signaller,
    pid: int,
    awaited: Callable[[], str] = lambda: "",
) -> None:
    """``awaited``: who will wait for it though nobody does now, in words.

    Raises what ``who`` raises: SessionGone, StatementFailed, ConnectionLost.
    """
    preview = await who.preview_signal(pid)
    choices: tuple[Choice, ...] = (Choice(NO, "No, keep it", "harmless"),)
    if preview.cancellable:
        choices = (*choices, Choice("cancel", "Cancel its query"))
    if preview.allowed is None:
        choices = (*choices, Choice("terminate", "Terminate", "danger"))
    seen = clock()
    answer = await ask(
        f"Terminate session {preview.session.pid}?",
        lambda width: signal_lines(preview, seen, newest(), width, awaited=awaited()),
        choices,
    )
    match answer.choice:
        case "cancel":
            await who.signal(preview, "cancel")
        case "terminate":
            await who.signal(preview, "terminate")
