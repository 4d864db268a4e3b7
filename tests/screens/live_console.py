"""The console on a real server, as an operator has it before them: keys, panes, questions."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from runbooks import read
from textual.pilot import Pilot

from tui.app import LockstepApp
from tui.engine.run import Run
from tui.engine.state import RunState
from tui.postgres.session import Dsn
from tui.screens.dialog import Dialog
from tui.screens.held import HeldKey
from tui.widgets.lines import Lines


class Console:
    """The console as an operator has it before them."""

    def __init__(self, pilot: Pilot[int], app: LockstepApp) -> None:
        self.pilot = pilot
        self.app = app

    @property
    def state(self) -> RunState:
        """As the screen has heard of it."""
        return self.app.console_screen.state

    def text(self, pane: str) -> str:
        """What is in it, with its rows joined."""
        found = self.app.console_screen.query_one(pane, Lines).text
        return " ".join(found.split())

    @property
    def question(self) -> str:
        assert isinstance(self.app.screen, Dialog)
        return " ".join(self.app.screen.query_one(Lines).text.split())

    async def press(self, *keys: str) -> None:
        """A key counts once what an earlier one set going has come to its end."""
        await self.until(
            lambda: not self.state.busy and all(w.is_finished for w in self.app.workers if w.group == "run")
        )
        await self.pilot.pause()
        await self.pilot.press(*keys)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Lets the console live until this holds; what it shows is the answer where it never does."""
        try:
            async with asyncio.timeout(15):
                while not holds():
                    await self.pilot.pause(0.02)
        except TimeoutError:
            panes = [f"{pane}: {self.text(pane)}" for pane in ("#header", "#outline", "#step", "#locks")]
            raise AssertionError("\n".join(panes)) from None


@asynccontextmanager
async def opened(book: Path, dsn: str, size: tuple[int, int]) -> AsyncIterator[Console]:
    """The console on this runbook, with its forecast made."""
    app = LockstepApp(Run(read(book), Dsn(dsn), operator_name="dba1"), held=HeldKey(0.0))
    async with app.run_test(size=size) as pilot:
        console = Console(pilot, app)
        try:
            await console.until(lambda: console.state.forecast is not None)
            yield console
        finally:
            await app.engine.close("done")
