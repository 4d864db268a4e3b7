"""The runner's session with a script in hand: statements, what may stop them, ledger rows and COMMIT."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress

from tui.postgres.queries import load
from tui.postgres.rows import PgError, without_passwords
from tui.postgres.session import PgSession, Result, StatementFailed
from tui.runbook.meaning import meaning
from tui.runbook.statements import Statement, command_tag

from . import events as e
from . import ledger
from .connections import SCRIPT_SPACE
from .facts import Position
from .guard import judge
from .job import GiveBack, Job, Stop
from .meter import Meter
from .notices import Notices
from .recorder import Recorder
from .sample import Sample
from .waits import WaitWatch

_RETRYABLE: dict[str, GiveBack] = {"55P03": "lock_timeout", "40P01": "deadlock", "40001": "serialization"}
_QUERY_CANCELED = "57014"
_CANCEL_AGAIN = 0.25


class Hand:
    """What all ways of running a script share; one try of one job at a time.

    ``completed``: so many statements or chunks are committed. ``position``: how far a batch came, ``size`` its next
    chunk, ``pace`` the size and seconds of its last full one. ``committing``: COMMIT is on its way and nobody may
    cancel. ``exposed``: a statement outside a transaction is on its way, of which a lost connection tells nothing.
    """

    def __init__(
        self, session: PgSession, signature: ledger.Signature, recorder: Recorder, meter: Meter | None = None
    ) -> None:
        self.session = session
        self.emit = recorder.record
        self.ready = recorder.ready
        self.asked: Stop | None = None
        self.wake = asyncio.Event()
        self.committing = False
        self.exposed = False
        self.repaired = False
        self.completed = 0
        self.position: Position | None = None
        self.size = 0
        self.pace: tuple[int, float] | None = None
        self.sample: Sample | None = None
        self.paused = False
        self._signature = signature
        self._meter = meter
        self._job: Job | None = None
        self._part = False
        self._begun = 0.0
        self._waits = WaitWatch()
        self._in_statement = False
        self._statement_over = asyncio.Event()
        self._cancelling: set[asyncio.Task[None]] = set()
        self._notices = Notices(recorder.record)
        session.on_notice(self._notices.hear)

    # A try

    async def take(self, job: Job, attempt: int) -> None:
        """A try begins."""
        self._job, self._begun = job, time.monotonic()
        self.asked, self.exposed, self.committing = None, False, False
        self.completed = job.skip
        self.wake.clear()
        self._notices.forget()
        # Of a long script that takes a while: not while locks are held.
        meaning(job.script)
        if self._meter is not None:
            await self._meter.begin()
        await self.emit(
            e.ScriptStarted(
                e.now(),
                job.id,
                job.title,
                job.direction,
                job.steps,
                attempt,
                job.safety.lock_retries + 1,
                len(job.script.statements),
                self.session.backend_pid,
                self._signature.operator,
            )
        )

    async def done(self, job: Job) -> None:
        """It is committed to its end."""
        await self.emit(e.ScriptDone(e.now(), job.id, job.direction, job.steps, self.seconds))
        await self._notices.tell_rest(job.id)

    def release(self) -> None:
        self._job = None
        self.committing = self.exposed = False

    @property
    def busy(self) -> bool:
        return self._job is not None

    @property
    def operator(self) -> str:
        return self._signature.operator

    @property
    def seconds(self) -> float:
        """Since this try began, without what a meter asked in between."""
        return time.monotonic() - self._begun - (self._meter.spent if self._meter is not None else 0.0)

    # What stops it

    def cancel(self) -> bool:
        """Stops the script in hand by the operator's will; False when there is none or it is being committed."""
        if self._job is None or (self.committing and not self._part):
            return False
        # While a part is committed it is only remembered: what comes next does not begin.
        self._stop(Stop("cancelled", f"cancelled by {self._signature.operator}"))
        return True

    def see(self, sample: Sample) -> None:
        """The newest sample: waits are noted, and the guard may give the locks back."""
        self.sample = sample
        if self._job is None or self.committing or self.wake.is_set():
            return
        if self._in_statement:
            self._waits.see(sample)
        trip = judge(sample.tree, self._job.safety)
        if trip is not None:
            self._stop(Stop("locks", trip.detail, give_back="guard"))

    def _stop(self, stop: Stop) -> None:
        # The operator's word counts more than the guard's.
        if self.asked is None or stop.reason == "cancelled":
            self.asked = stop
        self.wake.set()
        if self._in_statement:
            task = asyncio.ensure_future(self._cancel_statement())
            self._cancelling.add(task)
            task.add_done_callback(self._cancelling.discard)

    async def _cancel_statement(self) -> None:
        """Asks until the statement ends: a request that overtakes its statement on the way is lost."""
        while self._in_statement:
            await self.session.cancel()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._statement_over.wait(), _CANCEL_AGAIN)

    async def settle_cancels(self) -> None:
        """A cancel request still under way could hit the next statement: wait until it is delivered."""
        if self._cancelling:
            await asyncio.gather(*self._cancelling, return_exceptions=True)

    def as_stop(self, failure: StatementFailed | Stop) -> Stop:
        """Why it stopped: the server's error, or what we were asked when it is only the answer to that."""
        if isinstance(failure, Stop):
            return failure
        error = failure.error
        if error.sqlstate == _QUERY_CANCELED and self.asked is not None:
            return self.asked
        give_back = _RETRYABLE.get(error.sqlstate)
        if give_back is None:
            return Stop("error", error.message, error)
        assert self._job is not None
        if give_back == "lock_timeout":
            return Stop("locks", f"no lock within {self._job.safety.lock_timeout:g} s", error, give_back)
        return Stop("locks", error.message, error, give_back)

    # What it does

    async def alone(self) -> None:
        """Nobody else runs a script of this runbook here: not a console that was killed and whose session still lives.

        The operator's lock cannot tell that, as it belongs to another session.
        """
        keys = {"space": SCRIPT_SPACE, "runbook": self._signature.runbook}
        got = await self.session.ask(load("operator/alone"), keys)
        if got.rows[0][0] != "t":
            reason = "another session of Lockstep still runs a script of this runbook"
            raise Stop("locks", reason, give_back="lock_timeout")

    @asynccontextmanager
    async def transaction(self, job: Job, begin: str = "BEGIN") -> AsyncIterator[None]:
        """A transaction with the step's timeouts, rolled back on an error of the server and when it is stopped."""
        session = self.session
        await session.execute(begin)
        try:
            await session.execute(f"SET LOCAL lock_timeout = {milliseconds(job.safety.lock_timeout)}")
            await session.execute(f"SET LOCAL statement_timeout = {milliseconds(job.safety.statement_timeout)}")
            yield
        except (StatementFailed, Stop):
            self.committing = False
            await self.settle_cancels()
            await session.execute("ROLLBACK")
            raise

    async def statement(self, index: int, statement: Statement, *, told: bool = True) -> None:
        """Sends it and waits for its end. ``told`` False: no event of its own, as of a chunk's statements.

        Raises Stop, StatementFailed with the line in the script, ConnectionLost.
        """
        assert self._job is not None
        job = self._job
        if self.asked is not None:
            raise self.asked
        if told:
            shown = without_passwords(statement.text)
            await self.emit(e.StatementStarted(e.now(), job.id, index, statement.line, command_tag(statement), shown))
        measure = self._meter.measure if self._meter is not None and told else None
        alone = not job.transaction or job.batch is not None
        metered = measure(index, statement, outside=self.exposed, alone=alone) if measure is not None else nullcontext()
        async with metered:
            started = time.monotonic()
            result = await self._sent(job, index, statement)
            seconds = time.monotonic() - started
        if told:
            await self.emit(e.StatementFinished(e.now(), job.id, index, seconds, result.rows, result.status))
        if self._meter is not None and self._meter.last is not None and told:
            await self.emit(e.StatementMeasured(e.now(), job.id, job.direction, self._meter.last))

    async def _sent(self, job: Job, index: int, statement: Statement) -> Result:
        notices = asyncio.create_task(self._notices.tell(job.id))
        try:
            async with self.interruptible():
                if statement.copy_data is None:
                    return await self.session.execute(statement.text)
                return await self.session.copy_in(statement.text, statement.copy_data)
        except StatementFailed as failure:
            raise StatementFailed(_in_script(failure.error, statement)) from None
        finally:
            notices.cancel()
            await asyncio.gather(notices, return_exceptions=True)
            await self._notices.tell_rest(job.id)
            waited = self._waits.take()
            if waited is not None:
                await self.emit(waited.event(job.id, index))

    @asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """What runs on the session in this block is cancelled when the script is to stop; Stop at once if it is."""
        if self.asked is not None:
            raise self.asked
        self._in_statement = True
        self._statement_over.clear()
        try:
            yield
        finally:
            self._in_statement = False
            self._statement_over.set()

    async def as_ourselves(self) -> None:
        """For the rest of the transaction: the script may have changed role or user for its own purposes."""
        await self.session.execute("SET LOCAL SESSION AUTHORIZATION DEFAULT")
        await self.session.execute("SET LOCAL ROLE NONE")

    async def record(
        self,
        job: Job,
        *,
        statement: int | None = None,
        begun: bool = False,
        position: Position | None = None,
    ) -> None:
        """The ledger's row of how far the script is now, in the transaction that is open or in one of its own."""
        await self.as_ourselves()
        await ledger.record(
            self.session,
            self._signature,
            steps=job.steps,
            direction=job.direction,
            script=job.id,
            sha256=job.script.sha256,
            meaning=meaning(job.script),
            seconds=self.seconds,
            statement=statement,
            begun=begun,
            position=position,
        )

    async def commit(self, job: Job, *, part: bool = False, in_any_case: bool = False) -> None:
        """COMMIT, with the transaction's id on the disk before: from there on only the server's answer counts.

        ``in_any_case``: also when the script is to stop, for a row that says what is done already.
        """
        answer = await self.session.ask(load("operator/transaction"))
        transaction_id, timeline = int(answer.rows[0][0] or 0), answer.rows[0][1] or ""
        if not in_any_case and self.asked is not None and self.asked.reason == "cancelled":
            raise self.asked
        self.committing, self._part = True, part
        await self.settle_cancels()
        await self.emit(e.CommitIntended(e.now(), job.id, job.direction, transaction_id, job.steps, part, timeline))
        committed = await self.session.execute("COMMIT")
        if committed.status != "COMMIT":
            raise Stop("error", f"the server answered COMMIT with {committed.status}")
        # Once all of it is committed there is nothing left to cancel.
        self.committing = not part

    async def note(self, job: Job, *, statement: int | None, begun: bool = False, in_any_case: bool = False) -> None:
        """A row in a transaction of its own, whatever the script has set for its own."""
        # A cancel request for what came before must not hit it.
        await self.settle_cancels()
        async with self.transaction(job, "BEGIN READ WRITE"):
            await self.record(job, statement=statement, begun=begun)
            await self.commit(job, part=statement is not None, in_any_case=in_any_case)


def _in_script(error: PgError, statement: Statement) -> PgError:
    line = statement.line if error.line is None else error.line + statement.line - 1
    return PgError(error.sqlstate, error.message, error.detail, error.hint, error.context, line)


def milliseconds(seconds: float) -> int:
    """For a setting: 0 would switch it off."""
    return max(1, round(seconds * 1000))
