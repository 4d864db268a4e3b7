"""A session, or a prepared transaction, looked at closely: over the console, fed by the same looks, live."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.engine.closely import blind, closely, leader
from tui.engine.sample import Sample
from tui.widgets.frame import Hint, KeyBar
from tui.widgets.lines import Lines
from tui.widgets.session import Seen, session_lines, title_line

from .home import LOW, NARROW

_LOOK_EVERY = 0.25


class SessionScreen(ModalScreen[None]):
    """``pid_or_key`` is a LockNode's ``key``. ``sample`` gives the newest look, ``look_at`` asks for all locks of a
    session from now on (None: of none). ``signal`` previews and ends a session, None where nothing may be ended.
    ``clock`` gives this moment. ``still``: ``sample`` gives the same look again and again, so nothing is asked for.

    A session is the one that was first seen under its pid: another one that is given the same pid later is not.
    """

    CSS_PATH = "session.tcss"
    AUTO_FOCUS = "#session-body"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", id="session.close", show=False),
        Binding("k", "signal", "Terminate", id="session.signal", show=False),
    ]

    def __init__(
        self,
        pid_or_key: int | str,
        sample: Callable[[], Sample | None],
        look_at: Callable[[int | None], None],
        signal: Callable[[int], Awaitable[None]] | None,
        clock: Callable[[], datetime],
        *,
        still: bool = False,
    ) -> None:
        super().__init__()
        first = sample()
        self._key = leader(first, pid_or_key) if first is not None else pid_or_key
        self._sample = sample
        self._look_at = look_at
        self._signal = signal
        self._clock = clock
        self._still = still
        self._newest: Sample | None = None
        self.seen = Seen()

    def compose(self) -> ComposeResult:
        with Vertical(id="session"):
            yield Lines(id="session-title")
            yield Lines(id="session-body")
            yield KeyBar(id="session-keys")

    def on_mount(self) -> None:
        title = self.query_one("#session-title", Lines)
        title.can_focus = False
        title.show(lambda width: [title_line(self._key, self.seen, self._clock(), width)])
        self.query_one("#session-body", Lines).show(lambda width: session_lines(self._key, self.seen, width))
        self._look_at(self._key if isinstance(self._key, int) and not self._still else None)
        self.set_interval(_LOOK_EVERY, self.follow)
        self.follow()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < NARROW or event.size.height < LOW, "-narrow")

    def on_unmount(self) -> None:
        self._look_at(None)

    def follow(self) -> None:
        """Take up the newest look, if there is one that was not seen yet."""
        sample = self._sample()
        if sample is not None and sample is not self._newest:
            self._newest = sample
            self.seen = self._with(sample)
            self.query_one("#session-body", Lines).rebuild()
        self.query_one("#session-title", Lines).rebuild()
        self.query_one(KeyBar).offer(self._hints())

    def _with(self, sample: Sample) -> Seen:
        seen, why = self.seen, blind(sample)
        if seen.gone is not None and isinstance(self._key, int):
            return seen
        if why is not None:
            return Seen(seen.look, seen.sample, seen.gone, why)
        look = closely(sample, self._key)
        before = seen.look.session if seen.look is not None else None
        if look is not None and look.session is not None and before is not None:
            starts = (before.backend_start, look.session.backend_start)
            if None not in starts and starts[0] != starts[1]:
                look = None
        if look is None:
            return Seen(seen.look, seen.sample, seen.gone or sample.at, None)
        return Seen(look, sample, still=self._still)

    # Keys

    def _hints(self) -> list[Hint]:
        hints = [Hint("esc", "Close", "close", 0), Hint("↑ ↓", "Scroll", "", 1)]
        if self._can_signal():
            hints.insert(0, Hint("k", f"Terminate {self._key}", "signal", 0))
        return hints

    def _can_signal(self) -> bool:
        look = self.seen.look
        there = look is not None and look.session is not None and not look.ours and self.seen.gone is None
        return self._signal is not None and isinstance(self._key, int) and there

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key that does not work now does nothing at all."""
        return self._can_signal() if action == "signal" else True

    def action_signal(self) -> None:
        signal, pid = self._signal, self._key
        if signal is None or not isinstance(pid, int):
            return

        async def work() -> None:
            await signal(pid)

        # The app's worker: what it could not do is said as for any other act.
        self.app.run_worker(work(), group="session", exit_on_error=False)

    def action_close(self) -> None:
        self.dismiss()

    @on(KeyBar.Pressed)
    async def _clicked(self, event: KeyBar.Pressed) -> None:
        event.stop()
        if event.action and self.check_action(event.action, ()):
            await self.run_action(event.action)
