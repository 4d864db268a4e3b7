"""What ``lockstep watch`` works with: the sampler, and where asked for, an operator's connection that may act."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from tui.paths import state_root
from tui.postgres.rows import safe
from tui.postgres.session import ConnectionLost, Dsn, PgSession

from . import events as e
from . import operator
from .connections import application_name
from .facts import Target
from .journal import Journal, new_run_id
from .operator import Action, SignalPreview
from .sample import Sample
from .sampler import Sampler
from .who import login

# Cancelling and terminating write nothing: even who may act cannot change a row from here.
_OPTIONS = {"default_transaction_read_only": "on", "statement_timeout": "5000", "lock_timeout": "1000"}


class Lookout:
    """Looks at one server, primary or standby, four times a second; ``act``: sessions of it may be ended.

    Samples go to the one listener of ``watch``, acts to the one of ``acted``. Every act is in the journal of this
    lookout, a file of its own under the state directory that is made before the first signal is sent. ``redacted``:
    queries come without their literals.
    """

    def __init__(self, dsn: Dsn, *, act: bool, redacted: bool = False) -> None:
        self.may_act = act
        self.looked_at: int | None = None
        """The session all of whose locks samples show."""
        self._dsn = dsn
        self._redacted = redacted
        self._who = login()
        self._operator: PgSession | None = None
        self._journal: Journal | None = None
        self._see: Callable[[Sample], None] = lambda sample: None
        self._hear: Callable[[e.SessionSignalled], None] = lambda event: None
        self._sampler = Sampler(
            dsn,
            lambda sample: self._see(sample),
            our_pid=lambda: None,
            busy=lambda: True,
            own_pids=lambda: frozenset({self._operator.backend_pid} if self._operator is not None else ()),
            looked_at=lambda: self.looked_at,
            standby=True,
            redacted=redacted,
        )

    def watch(self, listener: Callable[[Sample], None]) -> None:
        """Hands every sample from now on to this one."""
        self._see = listener

    def acted(self, listener: Callable[[e.SessionSignalled], None]) -> None:
        """Tells this one what came of each signal."""
        self._hear = listener

    @property
    def target(self) -> Target | None:
        """Whom we look at, or looked at last; None before the first answer."""
        server = self._sampler.server
        if server is None:
            return None
        database, user = safe(server.database), safe(server.user)
        # Without a runbook nobody has said what is production: nothing here is drawn from that.
        return Target(server.host, server.port, database, user, server.version, None, False, server.database_oid)

    @property
    def journal(self) -> str:
        """Where acts are recorded; empty before the first."""
        return str(self._journal.path) if self._journal is not None else ""

    async def open(self) -> None:
        """Connects, also what may act, so that it is there when the server has no connection left to give.

        Raises CannotConnect.
        """
        await self._sampler.connect()
        if self.may_act:
            await self._connect()

    async def run(self) -> None:
        """Samples until cancelled."""
        await self._sampler.keep_running()

    async def close(self) -> None:
        """Lets go of everything."""
        if self._operator is not None:
            await self._operator.close()
        await self._sampler.close()
        if self._journal is not None:
            self._journal.close()

    async def _connect(self) -> PgSession:
        dsn = self._sampler.pinned(self._dsn).with_(target_session_attrs="any")
        self._operator = await PgSession.open(dsn, application_name=application_name(self._who), options=_OPTIONS)
        await self._operator.keep({"idle_session_timeout": "0"})
        return self._operator

    async def preview_signal(self, pid: int) -> SignalPreview:
        """Looks at a session closely. Raises SessionGone, StatementFailed, ConnectionLost, CannotConnect."""
        session = self._operator
        if session is not None:
            with suppress(ConnectionLost):
                return await self._preview(session, pid)
        return await self._preview(await self._connect(), pid)

    async def _preview(self, session: PgSession, pid: int) -> SignalPreview:
        ours = {session.backend_pid, self._sampler.backend_pid or 0}
        return await operator.preview(session, pid, frozenset(ours), None, redacted=self._redacted)

    async def signal(self, preview: SignalPreview, action: Action) -> None:
        """Cancels or terminates exactly the session that was previewed, and records what came of it.

        Raises JournalFailed: before the signal, where nothing was sent, or after it, where that is not recorded.
        """
        assert self.may_act
        assert self._operator is not None, "there was a preview"
        journal = await self._ready()
        done = await operator.signalled(self._operator, preview, action, self._who)
        # Nothing else in this record tells of which server it was.
        at = f" at {self.target.host}:{self.target.port}" if self.target is not None else ""
        event = replace(done, session=f"{done.session} on {preview.session.database or 'no database'}{at}")
        await journal.append(event)
        self._hear(event)

    async def _ready(self) -> Journal:
        """The journal with room for what is about to happen. Raises JournalFailed."""
        if self._journal is None:
            journal = Journal(state_root() / "watch" / f"{new_run_id(e.now())}.jsonl")
            await asyncio.to_thread(journal.open)
            self._journal = journal
        await self._journal.ready()
        return self._journal
