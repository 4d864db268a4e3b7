"""Looks at a run without taking it in hand: nothing is written, nobody is kept out."""

from tui.postgres.rows import safe
from tui.postgres.session import Dsn, PgSession
from tui.runbook.model import Runbook

from . import events as e
from . import ledger, reading, shared
from .changes import changes, words
from .connections import holder_of
from .later import due_at
from .plan import opening, target_of
from .recorder import unfinished
from .state import RunState, StepStatus, fold


async def look(runbook: Runbook, dsn: Dsn) -> RunState:
    """The run as this machine's journal tells it, or the database where it knows more, set right by its ledger.

    Raises CannotConnect, JournalFailed.
    """
    async with await PgSession.open(dsn, application_name="lockstep status") as session:
        server = await session.server()
        target = target_of(runbook, server, asked=False)
        told = await shared.read(session, runbook.slug, target)
        stands = any(row.applied or row.completed is not None for row in await ledger.read(session, runbook.slug))
        path, known, missing = unfinished(runbook.slug, target, told, stands)
        run = path.name.removesuffix(f"-{runbook.slug}.jsonl")
        unanswered = fold(known).unanswered_commit
        state = fold([*known, *missing])
        operator = state.operator or safe(server.user)
        intent = unanswered
        state = state.apply(opening(runbook, run, target, operator, ""))
        commit = await reading.commit_status(session, intent) if intent is not None else None
        holder = await holder_of(session, runbook.slug)
        under_way = await reading.script_of_others(session, runbook.slug, lambda: holder is not None)
        if holder is not None:
            state = state.apply(e.RunWatched(e.now(), holder, under_way))
        async for fact in reading.facts(session, runbook, intent, commit, under_way):
            state = state.apply(fact)
            if isinstance(fact, e.LedgerRead):
                state = state.apply(e.ChangesFound(e.now(), changes(runbook, fact.steps)))
        return state


def as_object(state: RunState) -> dict[str, object]:
    """The state as the one object that ``status --json`` prints.

    A step that runs is not applied yet; nobody knows what will be, where its console is gone and its session is not.
    """
    assert state.opened is not None
    target = state.opened.target
    holder = state.watched.holder if state.watched is not None else None
    running = StepStatus.IN_DOUBT if holder is None else StepStatus.PENDING
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
                "state": (running if step.status is StepStatus.RUNNING else step.status).value,
                "at": step.at.isoformat() if step.at else None,
                "not_before": due.isoformat() if (due := due_at(state.steps, step)) else None,
                "seconds": step.seconds,
                "message": step.message,
                "completed": step.completed,
                "repair": list(step.repair),
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
        "holder": None if holder is None else {"pid": holder.pid, "operator": holder.operator, "client": holder.client},
        "under_way": state.under_way,
        "changes": [words(change) for change in state.changes],
        "open": [item.plan.id for item in state.items if item.open],
    }
