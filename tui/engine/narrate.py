"""An event as one line for a log or a terminal without a screen; None for what would only be noise there."""

from datetime import datetime
from typing import Literal

from . import events as e
from .changes import words
from .deadline import proof_of
from .lock_words import duration
from .proof import Rehearsal
from .state import RunState, StepState, StepStatus

Badge = Literal["proven", "schema", "lossy", "failed", "untested", "stale", "one-way"]
_PLACES = {"fixture": "fixture", "clone": "clone", "like": "schema alone"}


def narrate(event: e.Event, state: RunState) -> str | None:
    """One line in plain words, for those events that an operator would want to read."""
    match event:
        case e.RunOpened(target=t):
            where = f"{t.database} on {t.host}:{t.port}, PostgreSQL {t.version}"
            return f"{event.title}: {'PRODUCTION ' if t.production else ''}{where}, run {event.run}"
        case e.LedgerRead():
            return f"applied: {', '.join(state.applied) or 'nothing'}{_doubts(state)}"
        case e.RemainsFound(remains=found):
            repair = "".join(f"\n  repair: {sql}" for sql in found.repair)
            return f"  {event.step}, statement {event.statement}: {found.what}{repair}"
        case e.RepairStarted():
            return f"  repairs: {event.sql}"
        case e.RepairFinished(error=error) if error:
            return f"  ✗ the repair failed: {error}"
        case e.ChangesFound():
            return "\n".join(f"! {words(change)}" for change in event.changes) or None
        case e.StepSettled():
            return f"{event.step} is settled as {'applied' if event.applied else 'not applied'}: {event.reason}"
        case e.ServerAwaited():
            return f"  waits for the server: {event.why}"
        case e.ServerAnswered():
            return "  the server is back" if event.back else None
        case e.BatchMeasured():
            return f"  {event.left} rows are left to do"
        case e.BatchDone() if state.script is not None and state.script.batch is not None:
            return f"  chunk {event.chunk}: {event.rows} rows, {event.done} done, {state.script.batch.left} left"
        case e.BatchThrottled():
            return f"  throttled: {event.reason}" if event.reason else "  goes on"
        case e.ItemTicked():
            return f"{'✓' if event.done else '○'} {state.item(event.item).plan.title} ({event.operator})"
        case e.ItemProbed():
            answer = "" if event.ok else f": expected {event.expected}, found {event.found}"
            return f"{_sign(event.ok)} {state.item(event.item).plan.title}{answer}"
        case e.WindowOpened():
            return f"window open: {event.seconds / 60:g} min"
        case e.ScriptStarted():
            again = f", try {event.attempt} of {event.tries}" if event.attempt > 1 else ""
            back = "" if event.direction == "forward" else "back: "
            return f"▶ {back}{event.script} {event.title}: {event.statements} statements{again}"
        case e.NoticeRaised():
            return f"  {event.severity}: {event.message}"
        case e.LockWaited():
            who = ", ".join(f"{b.pid} ({b.application_name or b.user})" for b in event.blockers)
            on = f"on {who or 'nobody seen'}; {event.queued} behind us"
            return f"  waited {event.seconds:.1f} s for {event.wanted}, {on}"
        case e.LocksGivenBack():
            return f"  gives way ({event.detail}), tries again in {event.retry_in:.1f} s"
        case e.ScriptDone():
            word = "applied" if event.direction == "forward" else "taken back"
            return f"✓ {event.script} {word}: {', '.join(event.steps)} in {event.seconds:.1f} s"
        case e.ScriptFailed():
            return f"✗ {event.script}: {_failure(event)}"
        case e.VerificationFinished():
            title = state.verification(event.verification).plan.title
            return f"{_sign(event.ok)} {title}: expected {event.expected}, found {event.found}"
        case e.GateOverridden():
            return f"! went past {', '.join(event.open)}: {event.reason} ({event.operator})"
        case e.ProofRead(rehearsal=rehearsal):
            told = ", ".join(f"{step.plan.id} {badge(state, step)}" for step in state.steps)
            return f"rehearsed {rehearsed_when(rehearsal, event.at)}: {told}"
        case e.DeadlineCrossed():
            return f"! {event.words}"
        case e.FingerprintTaken(error=error) if error:
            return f"! how the database was before the first step is not known: {error}"
        case e.FingerprintCompared():
            return _compared(event, state)
        case e.RollbackFinished():
            return "rolled back" if event.ok else "✗ the rollback stopped"
        case e.SessionSignalled():
            return f"{event.action} {event.pid}: {event.message}"
        case _:
            return None


def badge(state: RunState, step: StepState) -> Badge:
    """The one word for what a rehearsal found of a step and of its way back, and whether that still holds."""
    proof = proof_of(state, step.plan.id)
    if state.proof is None or proof is None or "no rollback" in step.plan.untested:
        return "untested"
    if step.plan.id in state.proof.stale:
        return "stale"
    if proof.state == "failed" or proof.rollback == "failed" or proof.red:
        return "failed"
    if proof.state == "applied" and step.plan.point_of_no_return:
        return "one-way"
    if proof.state == "pending" or proof.rollback == "missing":
        return "untested"
    if proof.rollback == "lossy":
        return "lossy"
    if step.plan.untested:
        return "untested"
    return "schema" if state.proof.rehearsal.place == "like" else "proven"


def rehearsed_when(rehearsal: Rehearsal, now: datetime) -> str:
    """``2 days ago on 18.4 (fixture)``."""
    release = f"{rehearsal.server // 10000}.{rehearsal.server % 10000}"
    return f"{_ago((now - rehearsal.at).total_seconds())} on {release} ({_PLACES[rehearsal.place]})"


def _ago(seconds: float) -> str:
    if seconds < 60:
        return "just now"
    if seconds < 86400:
        return f"{duration(seconds)} ago" if seconds < 3600 else f"{int(seconds // 3600)} h ago"
    days = int(seconds // 86400)
    return f"{days} day{'s' if days > 1 else ''} ago"


def _compared(event: e.FingerprintCompared, state: RunState) -> str:
    if event.error:
        return f"! not compared with what was before: {event.error}"
    at = f" at {state.before.at.astimezone():%H:%M}" if state.before is not None else " before"
    found = "".join(f"\n  {difference.rank}: {difference.words}" for difference in event.differences)
    told = f"✗ not what it was{at}:{found}"
    if event.identical:
        told = f"✓ identical to the schema{at}, {event.objects} objects compared; {rows_read(event)}"
    told += "".join(f"\n  left on purpose: {words}" for words in event.left)
    told += "".join(f"\n  not compared: {limit}" for limit in event.limits)
    if event.earlier and event.earlier_at is not None:
        lost = "".join(f"\n  {difference.rank}: {difference.words}" for difference in event.earlier)
        told += f"\n! against {event.earlier_at.astimezone():%H:%M}, before an earlier try:{lost}"
    return told


def rows_read(event: e.FingerprintCompared) -> str:
    """How rows were compared: ``rows were not compared``."""
    return {
        "none": "rows were not compared",
        "sampled": "rows of large tables in samples",
        "whole": "rows as well",
    }[event.reading]


def _doubts(state: RunState) -> str:
    told = [f"\n? {s.plan.id} is in doubt: {s.message}" for s in state.steps if s.status is StepStatus.IN_DOUBT]
    if state.under_way is not None:
        told.append(f"\n? session {state.under_way} of an earlier console still runs a script")
    return "".join(told)


def _sign(ok: bool) -> str:
    return "✓" if ok else "✗"


def _failure(event: e.ScriptFailed) -> str:
    held = {
        "rolled_back": "nothing of it is in the database",
        "partial": f"{event.completed} of its parts are in the database",
        "in_doubt": "whether it is committed is not known yet",
    }[event.outcome]
    error = event.error
    where = f"line {error.line}: " if error is not None and error.line else ""
    more = f" ({error.detail})" if error is not None and error.detail else ""
    advice = f"\n  {event.advice}" if event.advice else ""
    return f"{where}{event.message}{more}; {held}{advice}"
