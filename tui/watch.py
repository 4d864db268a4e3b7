"""``lockstep watch``: its app opens the lookout, and hands on what it sees."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message

from tui.engine.filter import Filter, parse
from tui.engine.sample import Sample
from tui.screens.held import HeldKey
from tui.screens.watch import WatchScreen
from tui.shell import SampleTaken, Shell

if TYPE_CHECKING:
    from tui.engine.events import SessionSignalled
    from tui.engine.lookout import Lookout


def run(dsn: str, words: str, *, act: bool, redact: bool) -> int:
    """Watches to the end and gives the exit code. ``words`` as the filter takes them; ``act``: sessions may be ended.

    Raises FilterRefused and CannotConnect.
    """

    def lookout() -> "Lookout":
        from tui.engine.lookout import Lookout
        from tui.postgres.session import Dsn

        return Lookout(Dsn(dsn), act=act, redacted=redact)

    app = WatchApp(lookout, parse(words), may_act=act)
    app.run()
    if app.failure is not None:
        raise app.failure
    return app.return_code or 0


def _now() -> datetime:
    return datetime.now(UTC)


class Signalled(Message):
    """A session was signalled; never replaced by a later one."""

    def __init__(self, event: "SessionSignalled") -> None:
        self.event = event
        super().__init__()


class WatchApp(Shell):
    """``lookout`` makes what looks, once the screen stands: it takes longer to load than the screen to be drawn."""

    engine: "Lookout | None"

    def __init__(
        self,
        lookout: "Callable[[], Lookout]",
        wanted: Filter,
        *,
        may_act: bool = False,
        clock: Callable[[], datetime] = _now,
        held: HeldKey | None = None,
    ) -> None:
        self.watch_screen = WatchScreen(wanted, may_act=may_act, look_at=self._look_at, clock=clock, held=held)
        super().__init__(self.watch_screen)
        self.engine = None
        self._lookout = lookout

    def begin(self) -> None:
        self.call_after_refresh(self.run_worker, self._look(), group="look", exit_on_error=False)

    async def _look(self) -> None:
        try:
            self.engine = await asyncio.to_thread(self._lookout)
            self.engine.watch(self._see)
            self.engine.acted(self._hear)
            await self.engine.open()
            await self.engine.run()
        except Exception as failure:
            self.fail(failure)

    def _see(self, sample: Sample) -> None:
        self.post_message(SampleTaken(sample))

    def _hear(self, event: "SessionSignalled") -> None:
        self.post_message(Signalled(event))

    def _look_at(self, pid: int | None) -> None:
        if self.engine is not None:
            self.engine.looked_at = pid

    @on(SampleTaken)
    def _sample_taken(self, message: SampleTaken) -> None:
        # On the way out the panes may be gone before the last sample comes.
        if not self.leaving:
            self.watch_screen.show_sample(message.sample, self.engine.target if self.engine is not None else None)

    @on(Signalled)
    def _signalled_one(self, message: Signalled) -> None:
        recorded = f"; recorded in {self.engine.journal}" if self.engine is not None else ""
        self.watch_screen.say(f"{message.event.message}{recorded}", bad=not message.event.gone)

    async def let_go(self, reason: str, code: int | None) -> None:
        looking = self.workers.cancel_group(self, "look")
        await asyncio.gather(*(worker.wait() for worker in looking), return_exceptions=True)
        if self.engine is not None:
            await self.engine.close()
