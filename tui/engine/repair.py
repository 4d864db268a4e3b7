"""Takes away what an earlier try left behind outside a transaction, as the operator was shown it."""

import time

from tui.postgres.session import ConnectionLost, StatementFailed

from . import events as e
from .hand import Hand, milliseconds
from .job import Job, Stop


async def repair(hand: Hand, job: Job) -> None:
    """Runs the job's repair, statement by statement. Raises Stop, StatementFailed, ConnectionLost, JournalFailed."""
    if not job.repair:
        return
    await hand.session.fresh()
    await hand.alone()
    # As for what left it behind: a lock_timeout would leave it half repaired, the guard protects.
    await hand.session.execute("SET lock_timeout = 0")
    await hand.session.execute(f"SET statement_timeout = {milliseconds(job.safety.statement_timeout)}")
    for statement in job.repair:
        step, begun = job.steps[0], time.monotonic()
        await hand.emit(e.RepairStarted(e.now(), step, statement.text, hand.operator))
        try:
            await hand.statement(0, statement, told=False)
        except (StatementFailed, Stop, ConnectionLost) as failure:
            why = str(failure) if isinstance(failure, ConnectionLost) else hand.as_stop(failure).message
            await hand.emit(e.RepairFinished(e.now(), step, statement.text, time.monotonic() - begun, why))
            raise
        await hand.emit(e.RepairFinished(e.now(), step, statement.text, time.monotonic() - begun))
    hand.repaired = True
