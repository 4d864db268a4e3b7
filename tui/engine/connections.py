"""The connections of a run that are not the monitor's: the runner's and the operator's, which holds the run's lock."""

import asyncio

from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import CannotConnect, ConnectionLost, Dsn, PgSession

RUNNER = "lockstep runner"
OPERATOR = "lockstep operator"

LOCK_SPACE = 0x10C57E9
"""The first of the two keys of our advisory locks, Lockstep's alone; the next number is for scripts under way."""
# The window has quiet hours: the server must not take an idle session of ours for a forgotten one.
_KEPT = {"idle_session_timeout": "0"}
# A console that was killed leaves a session that the server still has to notice.
_GOING_FOR = 2.0
_GOING_EVERY = 0.1
_RECONNECT_FOR = 60.0
_RECONNECT_EVERY = 0.5


class OtherOperator(Exception):
    """Another console has this run in hand; the text says who and since when."""


class Connections:
    """Both are there from ``open`` to ``close``; only the runner's is ever replaced."""

    def __init__(self, dsn: Dsn, runner: PgSession, operator: PgSession) -> None:
        self._dsn = dsn
        self.runner = runner
        self.operator = operator

    @classmethod
    async def open(cls, dsn: Dsn) -> "Connections":
        """Raises CannotConnect."""
        runner = await PgSession.open(dsn, application_name=RUNNER, options=_KEPT)
        try:
            return cls(dsn, runner, await PgSession.open(dsn, application_name=OPERATOR, options=_KEPT))
        except BaseException:
            await runner.close()
            raise

    @property
    def pids(self) -> frozenset[int]:
        return frozenset({self.runner.backend_pid, self.operator.backend_pid})

    async def take_lock(self, runbook: str) -> None:
        """One operator a runbook and database, for as long as the operator's connection lives. Raises OtherOperator."""
        keys: dict[str, object] = {"space": LOCK_SPACE, "runbook": runbook}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _GOING_FOR
        # Tried again and again, never waited for: a waiting session would be in the way of CONCURRENTLY.
        while (await self.operator.query(load("operator/lock"), keys)).rows[0][0] != "t":
            if loop.time() > deadline:
                raise OtherOperator(await self._holder(runbook, keys))
            await asyncio.sleep(_GOING_EVERY)

    async def hold(self, runbook: str) -> None:
        """Sees that the operator's connection and its lock are still there; a lost one is made again.

        Raises OtherOperator when somebody else took the run in hand meanwhile, and CannotConnect.
        """
        try:
            await self.operator.query("SELECT 1")
        except ConnectionLost:
            await self.operator.close()
            self.operator = await PgSession.open(self._dsn, application_name=OPERATOR, options=_KEPT)
            await self.take_lock(runbook)

    async def _holder(self, runbook: str, keys: dict[str, object]) -> str:
        who = await self.operator.query(load("operator/holder"), keys)
        if not who.rows:
            return f"another console had {runbook} in hand and has just gone: try again"
        pid, user, client, since = (safe(value or "") for value in who.rows[0])
        return f"another console has {runbook} in hand: session {pid} of {user} from {client}, since {since}"

    async def renew_runner(self) -> PgSession:
        """A new connection for the runner in place of a lost one. Raises CannotConnect after a minute of trying."""
        await self.runner.close()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _RECONNECT_FOR
        while True:
            try:
                self.runner = await PgSession.open(self._dsn, application_name=RUNNER, options=_KEPT)
            except CannotConnect:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(_RECONNECT_EVERY)
            else:
                return self.runner

    async def close(self) -> None:
        await self.runner.close()
        await self.operator.close()
