"""What the database says of a run: ledger, commit log and catalog, as events. Changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from tui.postgres.queries import load
from tui.postgres.session import PgSession, StatementFailed
from tui.runbook.model import Runbook, Script
from tui.runbook.outside import makes_temporary, sets_session

from . import events as e
from . import ledger, remains
from .connections import SCRIPT_SPACE

_LOOK_EVERY = 0.2
_ENDS_WITHIN = 5.0
_KNOWN: dict[str | None, e.CommitStatus] = {
    "committed": "committed",
    "aborted": "aborted",
    "in progress": "in progress",
}


async def commit_status(session: PgSession, intent: e.CommitIntended) -> e.CommitStatus:
    """What became of that COMMIT by the server's commit log; ``unknown`` where it cannot tell or speaks of another."""
    try:
        answer = await session.ask(load("operator/commit"), {"transaction_id": intent.transaction_id})
    except StatementFailed:
        # In the future of this server: another one than it was sent to, or one restored to before it.
        return "unknown"
    status, timeline = answer.rows[0]
    return _KNOWN.get(status, "unknown") if timeline == intent.timeline else "unknown"


async def script_runner(session: PgSession, runbook: str) -> int | None:
    """The session that runs a script of this runbook, if there is one."""
    answer = await session.ask(load("operator/script_runner"), {"space": SCRIPT_SPACE, "runbook": runbook})
    return int(answer.rows[0][0] or 0) if answer.rows else None


async def script_of_others(session: PgSession, runbook: str, stopping: Callable[[], bool]) -> int | None:
    """The session of a console that died and whose script the server has not noticed yet; waited for a few seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _ENDS_WITHIN
    while True:
        pid = await script_runner(session, runbook)
        if pid is None or pid == session.backend_pid:
            return None
        if stopping() or loop.time() > until:
            return pid
        await asyncio.sleep(_LOOK_EVERY)


async def facts(
    session: PgSession,
    runbook: Runbook,
    intent: e.CommitIntended | None,
    commit: e.CommitStatus | None,
    under_way: int | None,
) -> AsyncIterator[e.LedgerRead | e.RemainsFound]:
    """The ledger first, then the catalog's word on each statement of which the ledger does not know the end.

    Leaves settings of a script's own behind on the session. Raises StatementFailed, ConnectionLost.
    """
    exists = await ledger.exists(session)
    rows = await ledger.read(session, runbook.slug)
    yield e.LedgerRead(e.now(), rows, exists, intent, commit, under_way)
    if under_way is not None:
        return
    for row in rows:
        if row.begun is not None:
            yield e.RemainsFound(e.now(), row.step, row.begun, await _what_became(session, runbook, row, row.begun))


async def _what_became(session: PgSession, runbook: Runbook, row: e.LedgerStep, index: int) -> e.Remains:
    script = _script(runbook, row)
    if script is None or script.sha256 != row.sha256:
        return e.Remains("unknown", f"statement {index} was sent, but its script is not what it was then")
    try:
        await _look_as_it_did(session, script, index)
    except StatementFailed as failure:
        return e.Remains("unknown", f"what it has set for its session cannot be set again: {failure.error.message}")
    statement = script.statements[index - 1]
    found = await remains.after(session, statement)
    if found.outcome == "not_done":
        # Something else may be in its way; what cannot be taken away is for a human to see, and nothing is in doubt.
        blocked = await remains.before(session, statement)
        if blocked is not None:
            return replace(blocked, outcome="leftover" if blocked.repair else "not_done")
    return found


def _script(runbook: Runbook, row: e.LedgerStep) -> Script | None:
    step = next((step for step in runbook.steps if step.id == row.step), None)
    if step is None:
        return None
    return step.rollback if row.undoing else step.sql


async def _look_as_it_did(session: PgSession, script: Script, index: int) -> None:
    """Names are looked up as the script saw them: by what it has set, but for locks, on which who looks would wait."""
    await session.fresh()
    for statement in script.statements[: index - 1]:
        takes_lock = "advisory" in statement.text.lower()
        if sets_session(statement) and not makes_temporary(statement) and not takes_lock:
            await session.execute(statement.text)


def settled(row: e.LedgerStep | None, *, applied: bool) -> tuple[e.Direction, int | None]:
    """The direction and statement of the ledger's row by which a human says what became of a step.

    Where a script stopped at a statement, the word is about that statement alone.
    """
    if row is not None and row.begun is not None:
        return "back" if row.undoing else "forward", row.begun if applied else row.begun - 1
    return "forward" if applied else "back", None
