"""The console's app: opens the run, and hands on what happens to it; everything that is seen is the screens'."""

from collections.abc import Callable
from datetime import datetime

from textual import on
from textual.message import Message

from tui.engine import events as e
from tui.engine.journal import read
from tui.engine.run import Run
from tui.engine.sample import Sample
from tui.engine.state import RunState, fold
from tui.engine.turn import Busy
from tui.engine.work import GateClosed
from tui.screens import flows
from tui.screens.console import ConsoleScreen
from tui.screens.held import HeldKey
from tui.screens.messages import TakenOver
from tui.shell import SampleTaken, Shell


class StateChanged(Message):
    """An event happened; never replaced by a later one."""

    def __init__(self, state: RunState) -> None:
        self.state = state
        super().__init__()


class RunReady(Message):
    """The run is open; ``before`` is what the journal knew of it already."""

    def __init__(self, before: RunState | None) -> None:
        self.before = before
        super().__init__()


class LockstepApp(Shell):
    """The console on one run."""

    engine: Run

    def __init__(self, run: Run, clock: Callable[[], datetime] = e.now, held: HeldKey | None = None) -> None:
        self.console_screen = ConsoleScreen(run.runbook, clock, held)
        super().__init__(self.console_screen)
        self.engine = run

    def begin(self) -> None:
        self.engine.subscribe(self._hear)
        self.engine.watch(self._see)
        self.run_worker(self._open(), group="open", exit_on_error=False)

    async def _open(self) -> None:
        try:
            await self.engine.open(watch=True)
        except Exception as failure:
            self.fail(failure)
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

    # What came of it

    def told(self, error: BaseException) -> tuple[str, bool]:
        if isinstance(error, Busy | GateClosed):
            return f"not now: {error}", False
        return super().told(error)

    async def may_leave(self) -> bool:
        return await flows.may_leave(self.console_screen)

    async def let_go(self, reason: str, code: int | None) -> None:
        await self.engine.close(reason, code)

    @property
    def exit_code(self) -> int:
        """Who only watched leaves with 0, however the run of somebody else stands."""
        return 0 if self.engine.state.watched is not None else self.engine.state.exit_code
