"""Runs one script to its end: tries it, gives way, tries again, and tells what the database holds when it cannot."""

import asyncio
from dataclasses import replace
from typing import Literal

from tui.postgres.rows import PgError
from tui.postgres.session import ConnectionLost, PgSession, StatementFailed

from . import events as e
from . import ledger
from .batch import after_lock_failure
from .by_statement import by_statement
from .failures import of_connection, sentence
from .hand import Hand
from .in_batches import in_batches
from .job import Job, Stop, backoff
from .journal import JournalFailed
from .meter import Meter
from .recorder import Recorder
from .repair import repair
from .sample import Sample
from .transaction import in_transaction


class Runner:
    """One script at a time."""

    def __init__(
        self, session: PgSession, signature: ledger.Signature, recorder: Recorder, meter: Meter | None = None
    ) -> None:
        self._hand = Hand(session, signature, recorder, meter)
        self._emit = recorder.record

    @property
    def busy(self) -> bool:
        return self._hand.busy

    @property
    def committing(self) -> bool:
        """COMMIT is on its way: its answer is worth waiting for."""
        return self._hand.busy and self._hand.committing

    @property
    def backend_pid(self) -> int:
        return self._hand.session.backend_pid

    def cancel(self) -> bool:
        """Stops the script in hand by the operator's will; False when there is none or it is being committed."""
        return self._hand.cancel()

    def pause(self, paused: bool) -> None:
        """A batch begins no further chunk while it is paused."""
        self._hand.paused = paused

    def see(self, sample: Sample) -> None:
        """The newest sample: waits are noted, and the guard may give the locks back."""
        self._hand.see(sample)

    async def run(self, job: Job) -> bool:
        """Runs the script to its end; True when it is committed. Failures are events, not exceptions."""
        hand, attempt = self._hand, 1
        hand.size, hand.position, hand.pace, hand.repaired = 0, job.position, None, False
        try:
            while True:
                try:
                    await self._try(job, attempt)
                except Stop as stop:
                    # A part that got through begins the ladder anew.
                    attempt = 1 if hand.completed > job.skip else attempt
                    if not await self._goes_on(job, stop, attempt):
                        return False
                    job = self._rest(job, stop)
                    attempt += 1
                except ConnectionLost as lost:
                    await self._lost(job, lost)
                    return False
                except JournalFailed:
                    raise
                except Exception as fault:
                    # Nobody foresaw it; the connection was closed over it, so that the server holds nothing of the try.
                    doubt = hand.committing or hand.exposed
                    await self._failed(job, "error", None, f"{type(fault).__name__}: {fault}", doubt=doubt)
                    return False
                else:
                    return True
        finally:
            hand.release()

    async def _try(self, job: Job, attempt: int) -> None:
        hand = self._hand
        await hand.take(job, attempt)
        try:
            await repair(hand, job)
            if job.batch is not None:
                await in_batches(hand, job)
            elif job.transaction:
                await in_transaction(hand, job)
            else:
                await by_statement(hand, job)
        except (StatementFailed, Stop) as failure:
            await hand.settle_cancels()
            raise hand.as_stop(failure) from None
        except BaseException:
            # Whatever it was, no transaction of ours stays open: without its session the server rolls it back.
            await hand.session.close()
            raise
        await hand.done(job)

    def _rest(self, job: Job, stop: Stop) -> Job:
        hand = self._hand
        if job.batch is not None and stop.give_back == "lock_timeout" and hand.size:
            hand.size = after_lock_failure(hand.size)
        # What is repaired is not there any more: the same statements would now hit what was made in its place.
        repair = () if hand.repaired else job.repair
        return replace(job, skip=hand.completed, position=hand.position, repair=repair)

    async def _goes_on(self, job: Job, stop: Stop, attempt: int) -> bool:
        """After a try that ended early: wait for the next one, or tell that there is none."""
        hand, last = self._hand, attempt > job.safety.lock_retries
        if hand.asked is not None and hand.asked.reason == "cancelled":
            stop = hand.asked
        hand.asked = None
        hand.wake.clear()
        # What is done outside a transaction may have left something behind: that is looked at first.
        if stop.give_back is not None and not hand.exposed and not last:
            pause = backoff(attempt)
            await self._emit(e.LocksGivenBack(e.now(), job.id, attempt, stop.give_back, stop.message, pause))
            try:
                await asyncio.wait_for(hand.wake.wait(), pause)
            except TimeoutError:
                if hand.asked is None:
                    return True
            stop = hand.asked or stop
        message = stop.message
        if stop.give_back is not None and last:
            message = f"gave way {attempt} times and stops here; the last time: {stop.message}"
        await self._failed(job, stop.reason if stop.give_back is None else "locks", stop.error, message)
        return False

    async def _lost(self, job: Job, lost: ConnectionLost) -> None:
        """Before COMMIT the server rolls back by itself; after it, only the server knows."""
        await self._failed(job, "connection", None, str(lost), doubt=self._hand.committing or self._hand.exposed)

    async def _failed(
        self,
        job: Job,
        reason: Literal["error", "cancelled", "locks", "connection"],
        error: PgError | None,
        message: str,
        *,
        doubt: bool = False,
    ) -> None:
        completed = self._hand.completed
        # A statement outside a transaction may leave something behind even when it fails: the catalog is asked next.
        some = completed > 0 or self._hand.exposed
        outcome: Literal["rolled_back", "partial", "in_doubt"] = "partial" if some else "rolled_back"
        if doubt:
            outcome = "in_doubt"
        advice = of_connection(message) if error is None else sentence(error)
        await self._emit(
            e.ScriptFailed(
                e.now(), job.id, job.direction, job.steps, reason, outcome, completed, error, message, advice
            )
        )
