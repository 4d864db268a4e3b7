"""Runs one script on the runner's own connection: tries, statements, locks given back, ledger row and COMMIT."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tui.postgres.queries import load
from tui.postgres.rows import PgError, without_passwords
from tui.postgres.session import ConnectionLost, PgSession, Result, StatementFailed
from tui.runbook.model import Safety, Script
from tui.runbook.statements import Statement, command_tag

from . import events as e
from . import ledger
from .connections import LOCK_SPACE
from .guard import judge
from .journal import JournalFailed
from .notices import Notices
from .sample import Sample
from .waits import WaitWatch

Emit = Callable[[e.Event], Awaitable[None]]

_RETRYABLE: dict[str, Literal["lock_timeout", "deadlock", "serialization"]] = {
    "55P03": "lock_timeout",
    "40P01": "deadlock",
    "40001": "serialization",
}
_QUERY_CANCELED = "57014"
_LONGEST_BACKOFF = 10.0
_CANCEL_AGAIN = 0.25


@dataclass(frozen=True, slots=True)
class Job:
    """A script to run: a step's own (forward) or one that undoes ``steps`` (back). ``skip`` statements are done."""

    id: str
    title: str
    direction: e.Direction
    steps: tuple[str, ...]
    script: Script
    transaction: bool
    safety: Safety
    skip: int = 0


class _Stop(Exception):
    """A try ended before its end; ``give_back`` is set where another one may follow."""

    def __init__(
        self,
        reason: Literal["error", "cancelled", "locks"],
        message: str,
        error: PgError | None = None,
        give_back: Literal["lock_timeout", "guard", "deadlock", "serialization"] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason, self.message, self.error, self.give_back = reason, message, error, give_back


def backoff(attempt: int) -> float:
    """Seconds to leave the application alone after this try: 1, 2, 4, 8, then 10, each a quarter more or less."""
    return float(min(_LONGEST_BACKOFF, 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.25))  # noqa: S311


class Runner:
    """One script at a time. ``emit`` returns once the event is on the disk."""

    def __init__(self, session: PgSession, signature: ledger.Signature, emit: Emit) -> None:
        self._session = session
        self._signature = signature
        self._emit = emit
        self._job: Job | None = None
        self._waits = WaitWatch()
        self._asked: _Stop | None = None
        self._wake = asyncio.Event()
        self._committing = False
        self._in_statement = False
        self._statement_over = asyncio.Event()
        self._completed = 0
        self._cancelling: set[asyncio.Task[None]] = set()
        self._notices = Notices(emit)
        session.on_notice(self._notices.hear)

    @property
    def busy(self) -> bool:
        return self._job is not None

    @property
    def backend_pid(self) -> int:
        return self._session.backend_pid

    def cancel(self) -> bool:
        """Stops the script in hand by the operator's will; False when there is none or it is being committed."""
        if self._job is None or self._committing:
            return False
        self._stop(_Stop("cancelled", f"cancelled by {self._signature.operator}"))
        return True

    def see(self, sample: Sample) -> None:
        """The newest sample: waits are noted, and the guard may give the locks back."""
        if self._job is None or self._committing or self._wake.is_set():
            return
        if self._in_statement:
            self._waits.see(sample)
        trip = judge(sample.tree, self._job.safety)
        if trip is not None:
            self._stop(_Stop("locks", trip.detail, give_back="guard"))

    def _stop(self, stop: _Stop) -> None:
        # The operator's word counts more than the guard's.
        if self._asked is None or stop.reason == "cancelled":
            self._asked = stop
        self._wake.set()
        if self._in_statement:
            task = asyncio.ensure_future(self._cancel_statement())
            self._cancelling.add(task)
            task.add_done_callback(self._cancelling.discard)

    async def _cancel_statement(self) -> None:
        """Asks until the statement ends: a request that overtakes its statement on the way is lost."""
        while self._in_statement:
            await self._session.cancel()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._statement_over.wait(), _CANCEL_AGAIN)

    async def run(self, job: Job) -> bool:
        """Runs the script to its end; True when it is committed. Failures are events, not exceptions."""
        self._job = job
        try:
            for attempt in range(1, job.safety.lock_retries + 2):
                self._asked, self._completed = None, job.skip
                self._wake.clear()
                try:
                    await self._try(job, attempt)
                except _Stop as stop:
                    if not await self._goes_on(job, stop, attempt):
                        return False
                except ConnectionLost as lost:
                    await self._lost(job, lost)
                    return False
                except JournalFailed:
                    raise
                except Exception as fault:
                    # Nobody foresaw it; the connection was closed over it, so that the server holds nothing of the try.
                    await self._failed(job, "error", None, f"{type(fault).__name__}: {fault}")
                    return False
                else:
                    return True
            return False
        finally:
            self._job = None
            self._committing = False

    async def _goes_on(self, job: Job, stop: _Stop, attempt: int) -> bool:
        """After a try that ended early: wait for the next one, or tell that there is none."""
        last = attempt > job.safety.lock_retries
        if self._asked is not None and self._asked.reason == "cancelled":
            stop = self._asked
        self._asked = None
        self._wake.clear()
        # What is done outside a transaction stays done: only a whole rolled back try may be repeated.
        if stop.give_back is not None and job.transaction and not last:
            pause = backoff(attempt)
            await self._emit(e.LocksGivenBack(e.now(), job.id, attempt, stop.give_back, stop.message, pause))
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                if self._asked is None:
                    return True
            stop = self._asked or stop
        message = stop.message
        if stop.give_back is not None and last:
            message = f"gave way {attempt} times and stops here; the last time: {stop.message}"
        await self._failed(job, stop.reason if stop.give_back is None else "locks", stop.error, message)
        return False

    async def _failed(
        self,
        job: Job,
        reason: Literal["error", "cancelled", "locks", "connection"],
        error: PgError | None,
        message: str,
    ) -> None:
        partial = not job.transaction and self._completed > 0
        await self._emit(
            e.ScriptFailed(
                e.now(),
                job.id,
                job.direction,
                job.steps,
                reason,
                "partial" if partial else "rolled_back",
                self._completed,
                error,
                message,
            )
        )

    async def _lost(self, job: Job, lost: ConnectionLost) -> None:
        """Before COMMIT the server rolls back by itself; after it, only the server knows."""
        outcome: Literal["rolled_back", "partial", "in_doubt"] = "rolled_back"
        if self._committing or not job.transaction:
            outcome = "in_doubt"
        await self._emit(
            e.ScriptFailed(
                e.now(),
                job.id,
                job.direction,
                job.steps,
                "connection",
                outcome,
                self._completed,
                None,
                str(lost),
            )
        )

    async def _try(self, job: Job, attempt: int) -> None:
        begun = time.monotonic()
        statements = job.script.statements
        self._notices.forget()
        await self._emit(
            e.ScriptStarted(
                e.now(),
                job.id,
                job.title,
                job.direction,
                job.steps,
                attempt,
                job.safety.lock_retries + 1 if job.transaction else 1,
                len(statements),
                self._session.backend_pid,
                self._signature.operator,
            )
        )
        if job.transaction:
            await self._in_transaction(job, begun)
        else:
            await self._by_statement(job, begun)
        await self._emit(e.ScriptDone(e.now(), job.id, job.direction, job.steps, time.monotonic() - begun))
        await self._notices.tell_rest(job.id)

    async def _in_transaction(self, job: Job, begun: float) -> None:
        session, safety = self._session, job.safety
        try:
            await session.fresh()
            await self._alone()
            await session.execute("BEGIN")
            await session.execute(f"SET LOCAL lock_timeout = {_milliseconds(safety.lock_timeout)}")
            await session.execute(f"SET LOCAL statement_timeout = {_milliseconds(safety.statement_timeout)}")
            for index, statement in enumerate(job.script.statements, start=1):
                await self._statement(job, index, statement)
            transaction_id = await self._record(job, begun)
            if self._asked is not None and self._asked.reason == "cancelled":
                raise self._asked
            # From here on nobody may cancel: the answer to COMMIT is the one that counts.
            self._committing = True
            await self._settle_cancels()
            await self._emit(e.CommitIntended(e.now(), job.id, job.direction, transaction_id))
            committed = await session.execute("COMMIT")
            if committed.status != "COMMIT":
                raise _Stop("error", f"the server answered COMMIT with {committed.status}")
        except (StatementFailed, _Stop) as failure:
            self._committing = False
            await self._settle_cancels()
            await session.execute("ROLLBACK")
            raise self._as_stop(failure) from None
        except BaseException:
            # Whatever it was, no transaction of ours stays open: without its session the server rolls it back.
            await session.close()
            raise

    async def _alone(self) -> None:
        """Nobody else runs a script of this runbook here: not a console that was killed and whose session still lives.

        The operator's lock cannot tell that, as it belongs to another session.
        """
        keys = {"space": LOCK_SPACE + 1, "runbook": self._signature.runbook}
        got = await self._session.query(load("operator/alone"), keys)
        if got.rows[0][0] != "t":
            reason = "another session of Lockstep still runs a script of this runbook"
            raise _Stop("locks", reason, give_back="lock_timeout")

    async def _as_ourselves(self) -> None:
        # The script may have changed role or user for its own purposes.
        await self._session.execute("SET LOCAL SESSION AUTHORIZATION DEFAULT")
        await self._session.execute("SET LOCAL ROLE NONE")

    async def _record(self, job: Job, begun: float) -> int:
        await self._as_ourselves()
        await ledger.record(
            self._session,
            self._signature,
            steps=job.steps,
            direction=job.direction,
            script=job.id,
            sha256=job.script.sha256,
            seconds=time.monotonic() - begun,
        )
        answer = await self._session.query("SELECT pg_current_xact_id()")
        return int(answer.rows[0][0] or 0)

    async def _by_statement(self, job: Job, begun: float) -> None:
        """Outside a transaction each statement stands for itself, and the ledger says how far it went."""
        session = self._session
        try:
            await session.fresh()
            await self._alone()
            # lock_timeout would leave an invalid index behind a CONCURRENTLY: there the guard alone protects.
            await session.execute("SET lock_timeout = 0")
            await session.execute(f"SET statement_timeout = {_milliseconds(job.safety.statement_timeout)}")
            for index, statement in enumerate(job.script.statements, start=1):
                if index <= job.skip:
                    continue
                await self._progress(job, index - 1, begun)
                await self._statement(job, index, statement)
                self._completed = index
            self._committing = True
            await self._progress(job, None, begun)
        except (StatementFailed, _Stop) as failure:
            self._committing = False
            await self._settle_cancels()
            await session.execute("ROLLBACK")
            if self._completed:
                with suppress(StatementFailed):
                    await self._progress(job, self._completed, begun)
            raise self._as_stop(failure) from None
        except BaseException:
            await session.close()
            raise

    async def _progress(self, job: Job, statement: int | None, begun: float) -> None:
        await self._session.execute("BEGIN READ WRITE")
        await self._as_ourselves()
        await ledger.record(
            self._session,
            self._signature,
            steps=job.steps,
            direction=job.direction,
            script=job.id,
            sha256=job.script.sha256,
            seconds=time.monotonic() - begun,
            statement=statement,
        )
        await self._session.execute("COMMIT")

    async def _statement(self, job: Job, index: int, statement: Statement) -> None:
        if self._asked is not None:
            raise self._asked
        sql = statement.text
        shown = without_passwords(sql)
        await self._emit(e.StatementStarted(e.now(), job.id, index, statement.line, command_tag(statement), shown))
        if self._asked is not None:
            raise self._asked
        started = time.monotonic()
        notices = asyncio.create_task(self._notices.tell(job.id))
        self._in_statement = True
        self._statement_over.clear()
        try:
            result: Result = await (
                self._session.execute(sql)
                if statement.copy_data is None
                else self._session.copy_in(sql, statement.copy_data)
            )
        except StatementFailed as failure:
            line = None if failure.error.line is None else failure.error.line + statement.line - 1
            raise StatementFailed(
                PgError(
                    failure.error.sqlstate,
                    failure.error.message,
                    failure.error.detail,
                    failure.error.hint,
                    failure.error.context,
                    line or statement.line,
                )
            ) from None
        finally:
            self._in_statement = False
            self._statement_over.set()
            notices.cancel()
            await asyncio.gather(notices, return_exceptions=True)
            await self._notices.tell_rest(job.id)
            waited = self._waits.take()
            if waited is not None:
                await self._emit(waited.event(job.id, index))
        seconds = time.monotonic() - started
        await self._emit(e.StatementFinished(e.now(), job.id, index, seconds, result.rows, result.status))

    async def _settle_cancels(self) -> None:
        """A cancel request still under way could hit the next statement: wait until it is delivered."""
        if self._cancelling:
            await asyncio.gather(*self._cancelling, return_exceptions=True)

    def _as_stop(self, failure: StatementFailed | _Stop) -> _Stop:
        if isinstance(failure, _Stop):
            return failure
        error = failure.error
        if error.sqlstate == _QUERY_CANCELED and self._asked is not None:
            return self._asked
        give_back = _RETRYABLE.get(error.sqlstate)
        if give_back is None:
            return _Stop("error", error.message, error)
        if give_back == "lock_timeout":
            give_back_detail = f"no lock within {self._timeout_words()}"
            return _Stop("locks", give_back_detail, error, give_back)
        return _Stop("locks", error.message, error, give_back)

    def _timeout_words(self) -> str:
        assert self._job is not None
        return f"{self._job.safety.lock_timeout:g} s"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
