"""A run's grip on its database: who may use the runner's connection, how it is renewed, and how its work is stopped."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar

from tui.postgres.session import CannotConnect, ConnectionLost, PgSession
from tui.runbook.model import Runbook

from . import events as e
from . import ledger, reading
from .changes import changes
from .connections import Connections
from .meter import Meter
from .recorder import Recorder
from .runner import Runner
from .turn import Turn

_Answer = TypeVar("_Answer")
_LOOK_EVERY = 0.2


class Grip:
    """From the opening of a run to its close. ``stopping``: whoever has the turn is asked to come to an end.

    ``renewed`` is called when the runner has another connection, perhaps to another server. ``beside``: a session from
    which the meter of a rehearsal looks at the runner's.
    """

    def __init__(
        self,
        connections: Connections,
        runbook: Runbook,
        signature: ledger.Signature,
        recorder: Recorder,
        renewed: Callable[[], None],
        beside: PgSession | None = None,
    ) -> None:
        self.connections = connections
        self.signature = signature
        self.stopping = False
        self._runbook = runbook
        self._recorder = recorder
        self._renewed = renewed
        self._beside = beside
        self.runner = self._runner()
        self._turn = Turn()
        self._command: asyncio.Task[e.ItemProbed] | None = None
        self._waiter: asyncio.Task[Any] | None = None

    # Whose turn it is

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The turn for an act: at once or Busy, with room for its record and with the operator's lock still ours.

        Raises Busy, JournalFailed, OtherOperator, CannotConnect.
        """
        async with self._turn.now():
            self.stopping = False
            await self._recorder.ready()
            await self._hold()
            yield

    @asynccontextmanager
    async def interrupt(self) -> AsyncIterator[None]:
        """The turn, taken from whoever has it: what is under way is asked to stop until it does."""
        await self._recorder.ready()
        async with AsyncExitStack() as stack:
            async with self._asking_to_stop():
                await stack.enter_async_context(self._turn.next())
            self.stopping = False
            await self._hold()
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
        for task in (self._command, self._waiter):
            if task is not None:
                task.cancel()
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

        Raises ConnectionLost, CannotConnect, WrongTarget, StatementFailed.
        """
        try:
            return await ask(self.connections.runner)
        except ConnectionLost:
            await self._renew()
            return await ask(self.connections.runner)

    async def ledger_rows(self) -> tuple[e.LedgerStep, ...]:
        """What is committed, as ``asked`` asks."""
        return await self.asked(lambda session: ledger.read(session, self.signature.runbook))

    async def _hold(self) -> None:
        async with self._waiting_for_server() as target:
            await self.connections.hold(self.signature.runbook, target, self._awaited)

    async def _renew(self) -> None:
        async with self._waiting_for_server() as target:
            await self.connections.renew_runner(target, self._awaited)
            self.runner = self._runner()
            self._renewed()
            await self.connections.hold(self.signature.runbook, target, self._awaited)
        await self.read_ledger(self._recorder.state.unanswered_commit)

    def _runner(self) -> Runner:
        session = self.connections.runner
        meter = Meter(session, self._beside) if self._beside is not None else None
        runner = Runner(session, self.signature, self._recorder, meter)
        runner.pause(self._recorder.state.paused)
        return runner

    @asynccontextmanager
    async def _waiting_for_server(self) -> AsyncIterator[e.Target]:
        """What waits in this block for a connection to the run's database ends as CannotConnect when it is to stop."""
        assert self._recorder.state.opened is not None
        self._waiter = asyncio.current_task()
        back = False
        try:
            yield self._recorder.state.opened.target
            back = True
        except asyncio.CancelledError:
            if not self.stopping or self._waiter is None:
                raise
            self._waiter.uncancel()
            raise CannotConnect("the server is not waited for any longer") from None
        finally:
            self._waiter = None
            if self._recorder.state.awaited is not None:
                await self._recorder.record(e.ServerAnswered(e.now(), back))

    async def _awaited(self, why: str) -> None:
        await self._recorder.record(e.ServerAwaited(e.now(), why))

    async def read_ledger(self, intent: e.CommitIntended | None) -> None:
        """Sets the state right by ledger, commit log and catalog; a COMMIT still under way is waited for."""
        commit = None
        if intent is not None:
            commit = await self._end_of(intent)
        session = self.connections.runner
        under_way = await reading.script_of_others(session, self._runbook.slug, lambda: self.stopping)
        lost = False
        async for fact in reading.facts(session, self._runbook, intent, commit, under_way):
            await self._recorder.record(fact)
            if isinstance(fact, e.LedgerRead):
                lost = not fact.exists
                await self._tell_changes(fact)
        await session.fresh()
        if lost and intent is not None and commit == "committed" and not intent.part:
            await self._write_again(intent)

    async def _end_of(self, intent: e.CommitIntended) -> e.CommitStatus:
        while True:
            status = await reading.commit_status(self.connections.runner, intent)
            if status != "in progress" or self.stopping:
                return status
            await asyncio.sleep(_LOOK_EVERY)

    async def _tell_changes(self, fact: e.LedgerRead) -> None:
        found = changes(self._runbook, fact.steps)
        if found != self._recorder.state.changes:
            await self._recorder.record(e.ChangesFound(e.now(), found))

    async def _write_again(self, intent: e.CommitIntended) -> None:
        """The commit log knows a step of which the ledger is gone: it is written down before it is forgotten."""
        session = self.connections.runner
        await ledger.create(session)
        await ledger.record(
            session,
            self.signature,
            steps=intent.steps,
            direction=intent.direction,
            script=intent.script,
            sha256="",
            seconds=0,
            note=f"written again: the commit log knows transaction {intent.transaction_id} as committed",
        )
