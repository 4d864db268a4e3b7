"""A run that somebody else has in hand, as it is seen from here: by the ledger and by who holds its lock."""

import asyncio

from tui.postgres.session import CannotConnect, ConnectionLost, StatementFailed
from tui.runbook.model import Runbook

from . import events as e
from . import ledger, reading
from .connections import Connections, WrongTarget
from .recorder import Recorder

_LOOK_EVERY = 1.0


class Watch:
    """Looks once a second. What it sees is told, and not written down: the record is the holder's.

    ``read_only``: whoever looks will never take the run in hand.
    """

    def __init__(
        self, connections: Connections, runbook: Runbook, recorder: Recorder, *, read_only: bool = False
    ) -> None:
        self.script_pid: int | None = None
        self._connections = connections
        self._runbook = runbook
        self._recorder = recorder
        self._read_only = read_only
        self._looking: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Looks once, then again and again until `end`. Raises ConnectionLost, StatementFailed."""
        await self._look()
        self._looking = asyncio.create_task(self._keep_looking())

    async def end(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                await self._look()
            except StatementFailed:
                continue
            except (ConnectionLost, CannotConnect) as lost:
                await self._reconnect(str(lost))
            except WrongTarget as wrong:
                self._recorder.tell(e.ServerAwaited(e.now(), str(wrong)))

    async def _reconnect(self, why: str) -> None:
        self._recorder.tell(e.ServerAwaited(e.now(), why))
        assert self._recorder.state.opened is not None
        target = self._recorder.state.opened.target

        async def waiting(why: str) -> None:
            self._recorder.tell(e.ServerAwaited(e.now(), why))

        try:
            await self._connections.renew_runner(target, waiting)
        except (CannotConnect, WrongTarget) as failure:
            # It is tried again at the next look.
            await waiting(str(failure))
        else:
            self._recorder.tell(e.ServerAnswered(e.now(), True))

    async def _look(self) -> None:
        slug, session = self._runbook.slug, self._connections.runner
        holder = await self._connections.holder(slug)
        script_pid = await reading.script_runner(session, slug)
        self.script_pid = script_pid
        seen = self._recorder.state.watched
        if seen is None or (seen.holder, seen.script_pid) != (holder, script_pid):
            self._recorder.tell(e.RunWatched(e.now(), holder, script_pid, self._read_only))
        rows = await ledger.read(session, slug)
        known = self._recorder.state.ledger
        if known is None or (known.steps, known.under_way) != (rows, script_pid):
            exists = await ledger.exists(session)
            self._recorder.tell(e.LedgerRead(e.now(), rows, exists, under_way=script_pid))
