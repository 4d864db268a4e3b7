"""A backfill in chunks: each is a transaction with its ledger row, so that going on is exact to the chunk."""

import asyncio
import time
from contextlib import suppress

from tui.runbook.model import Batch

from . import events as e
from .batch import BatchRefused, Chunks, next_size, throttled
from .facts import Position
from .hand import Hand
from .job import Job, Stop

_LOOK_EVERY = 0.25
"""Seconds between two looks whether a throttled batch may go on."""


async def in_batches(hand: Hand, job: Job) -> None:
    """Passes over the table until nothing is left. Raises Stop, StatementFailed, ConnectionLost, JournalFailed."""
    assert job.batch is not None
    await hand.session.fresh()
    await hand.alone()
    chunks = await _prepared(hand, job, job.batch)
    hand.position = job.position or Position(0, None)
    if hand.position.after is not None and len(hand.position.after) != len(job.batch.key):
        # The runbook has another key by now: a new pass sees what is left all the same.
        hand.position = Position(hand.position.rows, None)
    hand.size = hand.size or job.batch.size
    while left := await _remaining(hand, job, chunks):
        await hand.emit(e.BatchMeasured(e.now(), job.id, hand.position.rows, left, hand.size))
        while await _chunk(hand, job, job.batch, chunks):
            pass
        # A row that came in before our position is seen by another pass.
        hand.position = Position(hand.position.rows, None)
    async with hand.transaction(job):
        await hand.record(job, position=hand.position)
        await hand.commit(job)


async def _prepared(hand: Hand, job: Job, batch: Batch) -> Chunks:
    async with hand.transaction(job):
        try:
            async with hand.interruptible():
                chunks = await Chunks.prepare(hand.session, batch)
        except BatchRefused as refused:
            raise Stop("error", str(refused)) from None
        await hand.session.execute("COMMIT")
    return chunks


async def _remaining(hand: Hand, job: Job, chunks: Chunks) -> int:
    async with hand.transaction(job):
        async with hand.interruptible():
            left = await chunks.remaining()
        await hand.session.execute("COMMIT")
    return left


async def _chunk(hand: Hand, job: Job, batch: Batch, chunks: Chunks) -> bool:
    """One chunk; False where it was the last one of this pass."""
    assert hand.position is not None
    await _wait_for_leave(hand, job)
    # A long backfill must not use up what the disk keeps for its end.
    await hand.ready()
    begun, number = time.monotonic(), hand.completed + 1
    async with hand.transaction(job):
        async with hand.interruptible():
            chunk = await chunks.take(hand.position.after, hand.size)
        if chunk.rows:
            for index, statement in enumerate(job.script.statements, start=1):
                await hand.statement(index, statement, told=number == job.skip + 1)
            await hand.as_ourselves()
            async with hand.interruptible():
                undone = await chunks.undone()
            if undone:
                what = f"{undone} of the {chunk.rows} rows of this chunk still match {batch.where!r} after it"
                raise Stop("error", f"{what}: the step would never end")
        position = Position(hand.position.rows + chunk.rows, chunk.last)
        if chunk.rows:
            await hand.record(job, statement=number, position=position)
            await hand.commit(job, part=True)
        else:
            await hand.session.execute("ROLLBACK")
            return False
    seconds = time.monotonic() - begun
    hand.completed, hand.position = number, position
    full = chunk.rows >= hand.size
    if full:
        size, hand.size = hand.size, next_size(hand.size, seconds, batch, hand.pace)
        hand.pace = (size, seconds)
    await hand.emit(e.BatchDone(e.now(), job.id, number, chunk.rows, seconds, position.rows, hand.size))
    return full


async def _wait_for_leave(hand: Hand, job: Job) -> None:
    """No chunk begins while the application, a replica or the operator asks us to wait. Raises Stop."""
    told = ""
    while True:
        if hand.asked is not None:
            raise hand.asked
        reason = throttled(hand.sample, job.safety, hand.paused)
        if reason != told:
            await hand.emit(e.BatchThrottled(e.now(), job.id, reason))
            told = reason
        if not reason:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(hand.wake.wait(), _LOOK_EVERY)
