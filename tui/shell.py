"""What our Textual apps have in common: themes, signals, workers whose failures are said, and the way out."""

import asyncio
import gc
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from rich.segment import Segments
from rich.traceback import Traceback
from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.driver import Driver
from textual.message import Message
from textual.worker import Worker, WorkerState

from tui.engine.sample import Sample
from tui.screens.commands import HomeCommands
from tui.screens.home import Home
from tui.screens.messages import Command, LeaveAsked, ThemeAsked
from tui.screens.terminal import TerminalGone, driver_class
from tui.screens.themes import DARK, LIGHT

_CLOSES_WITHIN = 20.0
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class SampleTaken(Message):
    """A look at the server; one that was not shown yet makes room for a newer one."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SampleTaken)


class Shell(App[int]):
    """An app on one screen. After ``run()``: ``sys.exit(app.return_code or 0)``, and raise ``failure`` if it is set.

    ``failure`` is what kept it from opening (CannotConnect, WrongTarget, JournalFailed, …). ``engine`` is what
    commands are given.
    """

    TITLE = "Lockstep"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {HomeCommands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q,ctrl+c", "leave", "Quit", id="app.leave", show=False, priority=True),
    ]
    engine: Any

    def __init__(self, home: Home) -> None:
        super().__init__()
        self.failure: Exception | None = None
        self.home = home
        self._leaving = False
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name

    # What each app says for itself

    def begin(self) -> None:
        """The screen stands: listen to the engine, and open it."""
        raise NotImplementedError

    async def may_leave(self) -> bool:
        """Asks, where something is lost by it."""
        return True

    async def let_go(self, reason: str, code: int | None) -> None:
        """Closes the engine, however far it had come."""
        raise NotImplementedError

    @property
    def exit_code(self) -> int:
        """What it came to, for the shell that started us."""
        return 0

    def told(self, error: BaseException) -> tuple[str, bool]:
        """The words for an act that did not come about, and whether that is bad."""
        return str(error) or type(error).__name__, True

    # The terminal

    def get_driver_class(self) -> type[Driver]:
        """The driver that outlives its terminal."""
        return driver_class(super().get_driver_class())

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own colour names, for the moment before a theme is set and for themes that do not know them."""
        return DARK.variables

    async def on_mount(self) -> None:
        await self.push_screen(self.home)
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            # A test's loop in a thread has no signals.
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self._signalled, number)
        self.begin()

    def on_ready(self) -> None:
        """The first frame stands, and with it nearly all that lives as long as we do."""
        # Looked through for garbage again and again, it would keep a key waiting for more than 100 ms.
        if not self.is_headless:
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000, 20, 50)

    def on_unmount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)

    @on(ThemeAsked)
    def _other_theme(self) -> None:
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    # Commands out

    @on(Command)
    def _command(self, command: Command) -> None:
        if self.leaving or self.under_way(command.group):
            return

        async def work() -> None:
            await command.work(self.engine)

        self.run_worker(work(), group=command.group, exit_on_error=False)

    def under_way(self, group: str) -> bool:
        """An act of this group has not come to its end."""
        return any(worker.group == group and not worker.is_finished for worker in self.workers)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What an act could not do is said, not raised."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            text, bad = self.told(event.worker.error)
            self.home.say(text, bad=bad)

    # Leaving

    @property
    def leaving(self) -> bool:
        """The end has begun: nothing is begun any more."""
        return self._leaving

    def fail(self, failure: Exception) -> None:
        """Ends the app because of this, unless it is ending anyway: what leaving has cut short is no failure."""
        if not self._leaving:
            self.failure = failure
            self.exit(return_code=1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The command palette is the screen's: over a dialog it would reach behind it."""
        if action == "command_palette":
            return self.screen is self.home
        return super().check_action(action, parameters)

    def action_leave(self) -> None:
        if self.screen is self.home:
            self.post_message(LeaveAsked())

    @on(LeaveAsked)
    def _leave_asked(self) -> None:
        if not self.under_way("leave"):
            self.run_worker(self._leave_if_sure(), group="leave", exit_on_error=False)

    async def _leave_if_sure(self) -> None:
        if await self.may_leave():
            await self._leave("the operator quit", None)

    @on(TerminalGone)
    def _terminal_gone(self) -> None:
        self._signalled(signal.SIGHUP)

    def _signalled(self, number: signal.Signals) -> None:
        # A closed terminal is told twice: by its signal and by its driver.
        if not self._leaving:
            self._leaving = True
            self.run_worker(self._leave(number.name, 128 + number), group="signal-leave", exit_on_error=False)

    async def _leave(self, reason: str, code: int | None) -> None:
        """Cancels what is in flight and lets go; a server that does not answer is not waited for longer than 20 s.

        Without a ``code`` the app says it, once what was in flight has come to its end.
        """
        self._leaving = True
        try:
            async with asyncio.timeout(_CLOSES_WITHIN):
                await self.let_go(reason, code)
        except TimeoutError:
            self.home.say("the server does not answer: left without its word", bad=True)
        except Exception as failure:
            self.failure = failure
        finally:
            ended = code if code is not None else self.exit_code
            self.exit(ended, return_code=ended)

    def _fatal_error(self) -> None:
        """A crash shows where, but no local variables: they hold other people's queries and maybe a password."""
        self.bell()
        traceback = Traceback(show_locals=False, width=None)
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()
