"""A script as one transaction, with its ledger row inside: all of it is committed, or nothing."""

from .hand import Hand
from .job import Job


async def in_transaction(hand: Hand, job: Job) -> None:
    """Raises Stop, StatementFailed, ConnectionLost, JournalFailed; then nothing of it stays but after a lost COMMIT."""
    await hand.session.fresh()
    await hand.alone()
    async with hand.transaction(job):
        for index, statement in enumerate(job.script.statements, start=1):
            await hand.statement(index, statement)
        await hand.record(job)
        await hand.commit(job)
