"""Looks at a run without taking it in hand: nothing is written, nobody is kept out."""

from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import Dsn, PgSession, StatementFailed
from tui.runbook.model import Runbook

from . import events as e
from . import ledger
from .journal import newest_run, read
from .plan import opening, target_of
from .state import RunState, StepStatus, fold


async def look(runbook: Runbook, dsn: Dsn) -> RunState:
    """The run as this machine's journal tells it, set right by the ledger. Raises CannotConnect, JournalFailed."""
    async with await PgSession.open(dsn, application_name="lockstep status") as session:
        server = await session.server()
        target = target_of(runbook, server, asked=False)
        stored = newest_run(runbook.slug, target)
        state = fold(read(stored.path)) if stored is not None else RunState()
        operator = state.operator or safe(server.user)
        run = stored.opened.run if stored is not None else ""
        script, unanswered = state.script, state.unanswered_commit
        state = state.apply(opening(runbook, run, target, operator, ""))
        state = state.apply(e.LedgerRead(e.now(), await ledger.read(session, runbook.slug)))
        if script is not None and unanswered is not None and await _under_way(session, unanswered):
            told = "its COMMIT is still under way: ask again"
            started = script.started
            return state.apply(
                e.ScriptFailed(
                    e.now(), started.script, started.direction, started.steps, "connection", "in_doubt", 0, None, told
                )
            )
        return state


async def _under_way(session: PgSession, commit: e.CommitIntended) -> bool:
    try:
        answer = await session.query(load("operator/commit"), {"transaction_id": commit.transaction_id})
    except StatementFailed:
        # Another server than the one it was sent to.
        return False
    return answer.rows[0][0] == "in progress"


def as_object(state: RunState) -> dict[str, object]:
    """The state as the one object that ``status --json`` prints."""
    assert state.opened is not None
    target = state.opened.target
    return {
        "kind": "status",
        "runbook": state.opened.runbook,
        "database": target.database,
        "host": target.host,
        "server": target.version,
        "window_opened_at": state.window_opened_at.isoformat() if state.window_opened_at else None,
        "steps": [
            {
                "id": step.plan.id,
                "title": step.plan.title,
                "state": (StepStatus.PENDING if step.status is StepStatus.RUNNING else step.status).value,
                "at": step.at.isoformat() if step.at else None,
                "seconds": step.seconds,
                "message": step.message,
            }
            for step in state.steps
        ],
        "verifications": [
            {
                "id": v.plan.id,
                "title": v.plan.title,
                "after": v.plan.after,
                "state": v.status.value,
                "expected": v.result.expected if v.result else None,
                "found": v.result.found if v.result else None,
            }
            for v in state.verifications
        ],
        "open": [item.plan.id for item in state.items if item.open],
    }
