"""A script outside a transaction: statement by statement, and the ledger knows how far it is.

A statement that may run in a transaction gets one of its own, with its ledger row inside. One that may not (CREATE
INDEX CONCURRENTLY, VACUUM, …) is announced in the ledger before and confirmed after: if it is not confirmed, the
catalog is asked what became of it.
"""

from tui.postgres.session import StatementFailed
from tui.runbook.outside import makes_temporary, needs_own, sets_session
from tui.runbook.statements import Statement

from . import remains
from .hand import Hand, milliseconds
from .job import Job, Stop


async def by_statement(hand: Hand, job: Job) -> None:
    """Goes on after the statements that are done. Raises Stop, StatementFailed, ConnectionLost, JournalFailed."""
    session, statements = hand.session, job.script.statements
    await session.fresh()
    await hand.alone()
    await session.execute(f"SET statement_timeout = {milliseconds(job.safety.statement_timeout)}")
    await _as_it_left_off(hand, job)
    done = await _done(hand, job)
    if done:
        # What the catalog told of the last one is now known to the ledger.
        await hand.note(job, statement=done)
    ended = False
    for index, statement in enumerate(statements[done:], start=done + 1):
        last = index == len(statements)
        if needs_own(statement):
            await _by_itself(hand, job, index, statement)
        else:
            async with hand.transaction(job):
                await hand.statement(index, statement)
                await hand.record(job, statement=None if last else index)
                await hand.commit(job, part=not last)
            ended = last
        hand.completed = index
    if not ended:
        await hand.note(job, statement=None)


async def _as_it_left_off(hand: Hand, job: Job) -> None:
    """What the statements that are done have set for their session is set again."""
    for statement in job.script.statements[: job.skip]:
        if makes_temporary(statement):
            gone = f"line {statement.line} made a temporary table, which is gone with its session"
            raise Stop("error", f"{gone}: roll {', '.join(job.steps)} back and begin it anew")
        if sets_session(statement):
            async with hand.interruptible():
                await hand.session.execute(statement.text)


async def _by_itself(hand: Hand, job: Job, index: int, statement: Statement) -> None:
    await hand.note(job, statement=index, begun=True)
    in_the_way = await remains.before(hand.session, statement)
    if in_the_way is not None:
        raise Stop("error", in_the_way.what)
    # lock_timeout would leave an invalid index behind a CONCURRENTLY: there the guard alone protects.
    await hand.session.execute("SET lock_timeout = 0")
    hand.exposed = True
    try:
        await hand.statement(index, statement)
    except Stop:
        # It was to stop before this was sent.
        hand.exposed = False
        await hand.note(job, statement=index - 1, in_any_case=True)
        raise
    except StatementFailed:
        await hand.settle_cancels()
        found = await remains.after(hand.session, statement)
        if found.outcome in ("done", "not_done"):
            # The server refused it: what is there of that name was made by somebody else.
            hand.exposed = False
            await hand.note(job, statement=index - 1, in_any_case=True)
        raise
    await hand.note(job, statement=index, in_any_case=True)
    hand.exposed = False


async def _done(hand: Hand, job: Job) -> int:
    """How many statements are done; to finish what was half done may have been all that was left of the next one."""
    if not job.repair or job.skip == len(job.script.statements):
        return job.skip
    found = await remains.after(hand.session, job.script.statements[job.skip])
    hand.completed = job.skip + (found.outcome == "done")
    return hand.completed
