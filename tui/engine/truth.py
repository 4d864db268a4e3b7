"""Where the steps stand by what the database says of itself: its ledger, its commit log, its catalog. Pure."""

from dataclasses import replace

from . import events as e
from .standing import StepState, StepStatus

_Steps = tuple[StepState, ...]


def by_ledger(steps: _Steps, event: e.LedgerRead) -> _Steps:
    """The database is right, whatever the journal says; only where its ledger is gone does the journal count."""
    rows = {row.step: row for row in event.steps}
    return tuple(
        _by_row(step, rows[step.plan.id], event.under_way) if step.plan.id in rows else _without_row(step, event)
        for step in steps
    )


def _by_row(step: StepState, row: e.LedgerStep, under_way: int | None) -> StepState:
    if row.completed is not None and under_way is not None:
        return _stands(step, StepStatus.RUNNING, f"session {under_way} runs it", row.completed, undoing=row.undoing)
    if row.completed is not None:
        what = "chunks" if row.position is not None else f"of {step.plan.statements} statements"
        stopped = f"stopped after {row.completed} {what}"
        if row.undoing:
            stopped = f"its way back stopped after {row.completed} statements"
        return _stands(step, StepStatus.FAILED, step.message or stopped, row.completed, undoing=row.undoing)
    if row.applied:
        step = _stands(step, StepStatus.APPLIED)
    elif row.settled:
        return _stands(step, StepStatus.PENDING)
    elif step.status is StepStatus.FAILED and not step.completed and not step.undoing:
        return step
    else:
        step = _stands(step, StepStatus.ROLLED_BACK)
    return replace(step, seconds=row.seconds, at=row.at, operator=row.operator)


def _without_row(step: StepState, event: e.LedgerRead) -> StepState:
    """A ledger without a single row of this runbook may have been lost; one with others tells by its silence."""
    nothing = not event.steps
    if event.intent is not None and step.plan.id in event.intent.steps and not event.intent.part:
        if not event.exists or event.commit == "in progress":
            return _by_commit_log(step, event.intent, event.commit)
        # Its row is committed with it: without the one there is not the other.
        return _stands(step, StepStatus.PENDING if event.intent.direction == "forward" else StepStatus.APPLIED)
    if nothing and (step.lost or step.status is StepStatus.APPLIED or step.completed):
        message = (
            f"the journal says that {step.plan.id} was applied, but the ledger in this database (schema lockstep) "
            "knows nothing of it: it was dropped, or the database was restored"
        )
        return replace(_stands(step, StepStatus.IN_DOUBT, message, step.completed), lost=True)
    if step.lost or (step.status is StepStatus.IN_DOUBT and not event.exists):
        return step
    if step.status in (StepStatus.RUNNING, StepStatus.APPLIED, StepStatus.ROLLED_BACK, StepStatus.IN_DOUBT):
        return _stands(step, StepStatus.PENDING)
    return replace(step, completed=None, remains=None)


def _by_commit_log(step: StepState, intent: e.CommitIntended, status: e.CommitStatus | None) -> StepState:
    forward = intent.direction == "forward"
    if status == "committed":
        return _stands(step, StepStatus.APPLIED if forward else StepStatus.ROLLED_BACK)
    if status == "aborted":
        return _stands(step, StepStatus.PENDING if forward else StepStatus.APPLIED)
    message = (
        f"COMMIT of transaction {intent.transaction_id} was sent and never answered, the ledger has no row of it, "
        "and the server's commit log does not tell any more"
    )
    if status == "in progress":
        message = f"COMMIT of transaction {intent.transaction_id} was sent and is still under way in the server"
    return _stands(step, StepStatus.IN_DOUBT, message)


def by_catalog(steps: _Steps, event: e.RemainsFound) -> _Steps:
    """What became of the statement at which a script outside a transaction stopped."""
    return tuple(_by_remains(step, event) if step.plan.id == event.step else step for step in steps)


def _by_remains(step: StepState, event: e.RemainsFound) -> StepState:
    found = event.remains
    done = event.statement if found.outcome == "done" else event.statement - 1
    completed = max(done, step.completed or 0)
    unknown = found.outcome == "unknown"
    kept = found if found.outcome in ("leftover", "unknown") else None
    message = f"stopped at statement {event.statement}: {found.what}"
    status = StepStatus.IN_DOUBT if unknown else StepStatus.FAILED
    return replace(_stands(step, status, message, completed, undoing=step.undoing), remains=kept)


def _stands(
    step: StepState, status: StepStatus, message: str = "", completed: int | None = None, *, undoing: bool = False
) -> StepState:
    return replace(step, status=status, message=message, completed=completed, remains=None, lost=False, undoing=undoing)
