"""A run's grip on its database: who may use the runner's connection, how it is renewed, and how its work is stopped."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TypeVar

from tui.postgres.queries import load
from tui.postgres.session import ConnectionLost, PgSession, StatementFailed

from . import events as e
from . import ledger
from .connections import Connections
from .recorder import Recorder
from .runner import Runner
from .turn import Turn

_Answer = TypeVar("_Answer")
_LOOK_EVERY = 0.2


class Grip:
    """From the opening of a run to its close. ``stopping``: whoever has the turn is asked to come to an end."""

    def __init__(self, connections: Connections, signature: ledger.Signature, recorder: Recorder) -> None:
        self.connections = connections
        self.runner = Runner(connections.runner, signature, recorder.record)
        self.stopping = False
        self._signature = signature
        self._recorder = recorder
        self._turn = Turn()
        self._command: asyncio.Task[e.ItemProbed] | None = None

    # Whose turn it is

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The turn for an act: at once or Busy, and with the operator's lock still ours.

        Raises Busy, OtherOperator, CannotConnect.
        """
        async with self._turn.now():
            self.stopping = False
            await self.connections.hold(self._signature.runbook)
            yield

    @asynccontextmanager
    async def interrupt(self) -> AsyncIterator[None]:
        """The turn, taken from whoever has it: what is under way is asked to stop until it does."""
        async with AsyncExitStack() as stack:
            async with self._asking_to_stop():
                await stack.enter_async_context(self._turn.next())
            self.stopping = False
            await self.connections.hold(self._signature.runbook)
            yield

    async def end(self, within: float) -> None:
        """Stops what is under way and lets nothing begin any more; waits so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within), self._asking_to_stop():
                await self._turn.keep()

    async def cancel(self) -> bool:
        """Asks what is under way to stop; its end comes as events. False when nothing could be stopped."""
        if not self._turn.taken:
            return False
        if self.runner.busy:
            return self.runner.cancel()
        self.stopping = True
        if self._command is not None:
            self._command.cancel()
        await self.connections.runner.cancel()
        return True

    @asynccontextmanager
    async def _asking_to_stop(self) -> AsyncIterator[None]:
        """One request may come between two queries, or overtake a query on its way: it is made again and again."""
        arrived = asyncio.Event()

        async def ask() -> None:
            while not arrived.is_set():
                await self.cancel()
                with suppress(TimeoutError):
                    await asyncio.wait_for(arrived.wait(), _LOOK_EVERY)

        asking = asyncio.create_task(ask())
        try:
            yield
        finally:
            arrived.set()
            # A request that is still on its way must not hit what comes next.
            await asking

    async def command(self, work: Awaitable[e.ItemProbed]) -> e.ItemProbed | None:
        """A command of the checklist; None when it was asked to stop."""
        self._command = asyncio.ensure_future(work)
        try:
            return await self._command
        except asyncio.CancelledError:
            if not self.stopping:
                raise
            return None
        finally:
            self._command = None

    # What the database says

    async def asked(self, ask: Callable[[PgSession], Awaitable[_Answer]]) -> _Answer:
        """Asks on the runner's connection what changes nothing: if that is lost, once more on a new one.

        Raises ConnectionLost, CannotConnect, StatementFailed.
        """
        try:
            return await ask(self.connections.runner)
        except ConnectionLost:
            await self._renew()
            return await ask(self.connections.runner)

    async def ledger_rows(self) -> tuple[e.LedgerStep, ...]:
        """What is committed, as ``asked`` asks."""
        return await self.asked(lambda session: ledger.read(session, self._signature.runbook))

    async def _renew(self) -> None:
        session = await self.connections.renew_runner()
        await self.connections.hold(self._signature.runbook)
        self.runner = Runner(session, self._signature, self._recorder.record)
        await self.read_ledger(self._recorder.state.unanswered_commit)

    async def read_ledger(self, unanswered: e.CommitIntended | None) -> None:
        """Sets the state right; a COMMIT without an answer is waited for while its old session still lives."""
        while unanswered is not None:
            try:
                answer = await self.connections.runner.query(
                    load("operator/commit"), {"transaction_id": unanswered.transaction_id}
                )
            except StatementFailed:
                # Another server than the one it was sent to, or one restored to before it: the ledger alone knows.
                break
            if answer.rows[0][0] != "in progress":
                break
            await asyncio.sleep(_LOOK_EVERY)
        rows = await ledger.read(self.connections.runner, self._signature.runbook)
        await self._recorder.record(e.LedgerRead(e.now(), rows))
