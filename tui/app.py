"""The Textual app: owns the run's workers, the themes and the signals; everything that is seen is the screens'."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import ClassVar

from rich.segment import Segments
from rich.traceback import Traceback
from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.driver import Driver
from textual.message import Message
from textual.worker import Worker, WorkerState

from tui.engine import events as e
from tui.engine.journal import read
from tui.engine.run import Run
from tui.engine.sample import Sample
from tui.engine.state import RunState, fold
from tui.engine.turn import Busy
from tui.engine.work import GateClosed
from tui.screens import flows
from tui.screens.commands import ConsoleCommands
from tui.screens.console import ConsoleScreen
from tui.screens.held import HeldKey
from tui.screens.messages import Command, LeaveAsked, TakenOver, ThemeAsked
from tui.screens.terminal import TerminalGone, driver_class
from tui.screens.themes import DARK, LIGHT

_CLOSES_WITHIN = 20.0
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class StateChanged(Message):
    """An event happened; never replaced by a later one."""

    def __init__(self, state: RunState) -> None:
        self.state = state
        super().__init__()


class SampleTaken(Message):
    """A look at the server; one that was not shown yet makes room for a newer one."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SampleTaken)


class RunReady(Message):
    """The run is open; ``before`` is what the journal knew of it already."""

    def __init__(self, before: RunState | None) -> None:
        self.before = before
        super().__init__()


class LockstepApp(App[int]):
    """The console on one run. After ``run()``: ``sys.exit(app.return_code or 0)``, and raise ``failure`` if it is set.

    ``failure`` is what kept the run from opening (CannotConnect, WrongTarget, JournalFailed, …).
    """

    TITLE = "Lockstep"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ConsoleCommands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q,ctrl+c", "leave", "Quit", id="app.leave", show=False, priority=True),
    ]

    def __init__(self, run: Run, clock: Callable[[], datetime] = e.now, held: HeldKey | None = None) -> None:
        super().__init__()
        self.engine = run
        self.failure: Exception | None = None
        self.console_screen = ConsoleScreen(run.runbook, clock, held)
        self._leaving = False
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name

    def get_driver_class(self) -> type[Driver]:
        """The driver that outlives its terminal."""
        return driver_class(super().get_driver_class())

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own colour names, for the moment before a theme is set and for themes that do not know them."""
        return DARK.variables

    async def on_mount(self) -> None:
        await self.push_screen(self.console_screen)
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            # A test's loop in a thread has no signals.
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self._signalled, number)
        self.engine.subscribe(self._hear)
        self.engine.watch(self._see)
        self.run_worker(self._open(), group="open", exit_on_error=False)

    async def _open(self) -> None:
        try:
            await self.engine.open(watch=True)
        except Exception as failure:
            # What leaving has cut short is no failure to open.
            if not self._leaving:
                self.failure = failure
                self.exit(return_code=1)
            return
        self.post_message(RunReady(self._earlier()))

    @on(RunReady)
    def _run_ready(self, message: RunReady) -> None:
        """Comes after every event of the opening, so that the console knows the target when it asks."""
        if message.before is not None:
            self.console_screen.show_before(message.before)
        if self.console_screen.state.next_act().kind == "confirm_production":
            self.console_screen.action_go_on()

    @on(TakenOver)
    def _taken_over(self) -> None:
        self.post_message(RunReady(self._earlier()))

    def _earlier(self) -> RunState | None:
        """The run up to this console's own opening, if the journal knows of more."""
        path = self.engine.journal_path
        events = read(path) if path is not None else []
        openings = [index for index, event in enumerate(events) if isinstance(event, e.RunOpened)]
        return fold(events[: openings[-1]]) if len(openings) > 1 else None

    # Data in

    def _hear(self, event: e.Event, state: RunState) -> None:
        self.post_message(StateChanged(state))

    def _see(self, sample: Sample) -> None:
        self.post_message(SampleTaken(sample))

    @on(StateChanged)
    def _state_changed(self, message: StateChanged) -> None:
        self.console_screen.show_state(message.state)
        if isinstance(message.state.last, e.SessionSignalled):
            signalled = message.state.last
            self.console_screen.say(signalled.message, bad=not signalled.gone)

    @on(SampleTaken)
    def _sample_taken(self, message: SampleTaken) -> None:
        self.console_screen.show_sample(message.sample)

    # Commands out

    @on(Command)
    def _command(self, command: Command) -> None:
        if self._leaving or self._under_way(command.group):
            return

        async def work() -> None:
            await command.work(self.engine)

        self.run_worker(work(), group=command.group, exit_on_error=False)

    def _under_way(self, group: str) -> bool:
        return any(worker.group == group and not worker.is_finished for worker in self.workers)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What an act could not do is said, not raised."""
        if event.state is not WorkerState.ERROR:
            return
        error = event.worker.error
        if isinstance(error, Busy | GateClosed):
            self.console_screen.say(f"not now: {error}")
        else:
            self.console_screen.say(str(error) or type(error).__name__, bad=True)

    @on(ThemeAsked)
    def _other_theme(self) -> None:
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    # Leaving

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The command palette is the console's: over a dialog it would reach behind it."""
        if action == "command_palette":
            return self.screen is self.console_screen
        return super().check_action(action, parameters)

    def action_leave(self) -> None:
        if self.screen is self.console_screen:
            self.post_message(LeaveAsked())

    @on(LeaveAsked)
    def _leave_asked(self) -> None:
        if not self._under_way("leave"):
            self.run_worker(self._leave_if_sure(), group="leave", exit_on_error=False)

    async def _leave_if_sure(self) -> None:
        if await flows.may_leave(self.console_screen):
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

        Without a ``code`` the run says it, once what was in flight has come to its end.
        """
        self._leaving = True
        try:
            async with asyncio.timeout(_CLOSES_WITHIN):
                await self.engine.close(reason, code)
        except TimeoutError:
            self.console_screen.say("the server does not answer: left without its word", bad=True)
        except Exception as failure:
            self.failure = failure
        finally:
            ended = code if code is not None else self._exit_code
            self.exit(ended, return_code=ended)

    @property
    def _exit_code(self) -> int:
        """Who only watched leaves with 0, however the run of somebody else stands."""
        return 0 if self.engine.state.watched is not None else self.engine.state.exit_code

    def on_unmount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)

    def _fatal_error(self) -> None:
        """A crash shows where, but no local variables: they hold other people's queries and maybe a password."""
        self.bell()
        traceback = Traceback(show_locals=False, width=None)
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()
