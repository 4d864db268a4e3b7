"""The run as everybody sees it: ``RunState.apply(event) -> RunState``, pure.

Screen, status, unattended runs and tests all fold the same events.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from . import events as e
from .gates import LATE, gated
from .in_hand import moved
from .in_proof import proved
from .later import another_night, next_step, since_no_return, tonight
from .standing import BatchState as BatchState
from .standing import ItemState as ItemState
from .standing import NextAct as NextAct
from .standing import ScriptState as ScriptState
from .standing import StepState as StepState
from .standing import StepStatus as StepStatus
from .standing import VerificationState as VerificationState
from .standing import VerificationStatus as VerificationStatus
from .truth import by_catalog, by_ledger

_State = TypeVar("_State", ItemState, StepState, VerificationState)


@dataclass(frozen=True, slots=True)
class RunState:
    """Everything that the events have told so far."""

    opened: e.RunOpened | None = None
    operator: str = ""
    items: tuple[ItemState, ...] = ()
    steps: tuple[StepState, ...] = ()
    verifications: tuple[VerificationState, ...] = ()
    baselines: dict[str, e.BaselineTaken] = field(default_factory=dict)
    production_confirmed: bool = False
    window_opened_at: datetime | None = None
    script: ScriptState | None = None
    intents: dict[str, e.CommitIntended] = field(default_factory=dict)
    unanswered_commit: e.CommitIntended | None = None
    rollback: e.RollbackPlanned | None = None
    rollback_ok: bool | None = None
    paused: bool = False
    overrides: tuple[e.GateOverridden, ...] = ()
    waits: tuple[e.LockWaited, ...] = ()
    signals: tuple[e.SessionSignalled, ...] = ()
    changes: tuple[e.Change, ...] = ()
    accepted: tuple[e.Change, ...] = ()
    watched: e.RunWatched | None = None
    awaited: e.ServerAwaited | None = None
    ledger: e.LedgerRead | None = None
    proof: e.ProofRead | None = None
    forecast: e.ForecastMade | None = None
    late: e.DeadlineCrossed | None = None
    before: e.FingerprintTaken | None = None
    compared: e.FingerprintCompared | None = None
    made: tuple[e.MadeCounted, ...] = ()
    looking: e.LookStarted | None = None
    under_way: int | None = None
    repairing: e.RepairStarted | None = None
    closed: e.RunClosed | None = None
    last: e.Event | None = None

    def item(self, item_id: str) -> ItemState:
        """The checklist line with this id; KeyError if there is none."""
        return _with_id(self.items, item_id)

    def step(self, step_id: str) -> StepState:
        """The step with this id; KeyError if there is none."""
        return _with_id(self.steps, step_id)

    def verification(self, verification_id: str) -> VerificationState:
        """The verification with this id; KeyError if there is none."""
        return _with_id(self.verifications, verification_id)

    @property
    def applied(self) -> tuple[str, ...]:
        """The ids of the steps that are in the database, in order."""
        return tuple(s.plan.id for s in self.steps if s.status is StepStatus.APPLIED)

    @property
    def present(self) -> tuple[str, ...]:
        """The ids of the steps of which the database holds something, in order: what there is to take back."""
        return tuple(s.plan.id for s in self.steps if s.present)

    @property
    def window_ends_at(self) -> datetime | None:
        if self.window_opened_at is None or self.opened is None:
            return None
        return self.window_opened_at + timedelta(seconds=self.opened.window)

    @property
    def rolled_back(self) -> bool:
        """A rollback took back everything that was applied."""
        return self.rollback is not None and self.rollback_ok is True and not self.present

    @property
    def uncompared(self) -> bool:
        """Everything was taken back, and what was kept of the time before still waits to be compared with."""
        kept = self.before is not None and not self.before.error
        asks = self.compared is None or bool(self.compared.error and not self.compared.final)
        return self.rolled_back and kept and asks

    @property
    def busy(self) -> bool:
        """A script, verification or probe of ours is under way."""
        if self.script is not None and self.script.active:
            return True
        if self.repairing is not None or self.awaited is not None or self.looking is not None:
            return True
        if any(i.asking for i in self.items):
            return True
        return any(v.status is VerificationStatus.RUNNING for v in self.verifications)

    @property
    def due(self) -> tuple[VerificationState, ...]:
        """The verifications whose moment has come: their step is applied, or all is taken back, or this night is done.

        What is verified at the end is what stands until a step whose time comes later changes it. What a point of no
        return has made an end of, with the ways back, is not asked about any more.
        """
        applied = self.applied
        complete = bool(self.steps) and applied == tuple(s.plan.id for s in tonight(self.steps))
        asked = since_no_return(self.steps)
        return tuple(
            v
            for v in self.verifications
            if v.plan.after in asked
            or (v.plan.after == "end" and complete)
            or (v.plan.after == "back" and self.rolled_back)
        )

    @property
    def unaccepted_changes(self) -> tuple[e.Change, ...]:
        """The files that changed after they were applied, and for which nobody has given a reason yet."""
        return tuple(change for change in self.changes if change not in self.accepted)

    @property
    def verified(self) -> bool:
        """Every verification whose moment has come passed or was accepted."""
        good = (VerificationStatus.PASSED, VerificationStatus.ACCEPTED)
        return all(v.status in good for v in self.due)

    @property
    def exit_code(self) -> int:
        """5 in doubt; 1 a step, a verification or the rollback failed and stands so; else 0."""
        orphan = self.under_way is not None and self.watched is None
        if orphan or any(s.status is StepStatus.IN_DOUBT for s in self.steps):
            return 5
        failed = any(s.status is StepStatus.FAILED for s in self.steps)
        red = any(v.status is VerificationStatus.FAILED for v in self.due)
        unfinished = self.rollback_ok is False or (self.rollback is not None and self.rollback_ok is None)
        differs = self.compared is not None and bool(
            self.compared.differences or self.compared.earlier or self.compared.error
        )
        return 1 if failed or red or unfinished or self.uncompared or (self.rolled_back and differs) else 0

    def next_act(self) -> NextAct:
        """What going on means now, and which gates are closed."""
        if self.watched is not None:
            free = self.watched.holder is None and not self.watched.read_only
            return NextAct("take_over" if free else "watch")
        if self.busy:
            return NextAct("busy")
        if self.opened is not None and self.opened.target.production and not self.production_confirmed:
            return NextAct("confirm_production")
        if self.under_way is not None or any(s.status is StepStatus.IN_DOUBT for s in self.steps):
            return NextAct("resolve")
        left = next((s for s in self.steps if s.repair), None)
        if left is not None:
            return gated(self, NextAct("repair", left.plan.id))
        if self.rolled_back:
            due = self.due
            pending = any(v.status is VerificationStatus.PENDING for v in due) or self.uncompared
            return NextAct("run_verifications" if pending else "finished")
        # Once a step is applied the time before is over: its probes describe a database that is no longer there.
        before = [] if self.applied else [i for i in self.items if i.plan.phase == "before"]
        if self.window_opened_at is None:
            return gated(self, NextAct("open_window"), before)
        if any(v.status is VerificationStatus.PENDING for v in self.due):
            return NextAct("run_verifications")
        failed = [v for v in self.due if v.status is VerificationStatus.FAILED]
        pending_step = next_step(self)
        if pending_step is None:
            after = [i for i in self.items if i.plan.phase == "after"]
            return gated(self, NextAct("finished"), after, failed)
        during = [i for i in self.items if i.plan.phase == "during" and i.plan.step in (None, pending_step.plan.id)]
        return gated(self, NextAct("run_step", pending_step.plan.id), before + during, failed)

    def apply(self, event: e.Event) -> "RunState":
        """The state after this event."""
        return replace(_fold(self, event), last=event)


def fold(events: "list[e.Event] | tuple[e.Event, ...]") -> RunState:
    """The state after all these events."""
    state = RunState()
    for event in events:
        state = state.apply(event)
    return state


def _with_id(states: tuple[_State, ...], wanted: str) -> _State:
    for state in states:
        if state.plan.id == wanted:
            return state
    raise KeyError(wanted)


def _swap(states: tuple[_State, ...], wanted: str, **changes: object) -> tuple[_State, ...]:
    return tuple(replace(s, **changes) if s.plan.id == wanted else s for s in states)  # type: ignore[arg-type]


def _opened(state: RunState, event: e.RunOpened) -> RunState:
    """A second opening keeps what is known of lines that are still in the runbook."""
    items = {i.plan.id: i for i in state.items}
    steps = {s.plan.id: s for s in state.steps}
    verifications = {v.plan.id: v for v in state.verifications}
    return replace(
        state,
        opened=event,
        operator=event.operator,
        closed=None,
        paused=False,
        production_confirmed=False,
        items=tuple(replace(items.get(p.id, ItemState(p)), plan=p, asking=False) for p in event.items),
        steps=tuple(replace(steps.get(p.id, StepState(p)), plan=p) for p in event.steps),
        verifications=tuple(
            _settled(replace(verifications.get(p.id, VerificationState(p)), plan=p)) for p in event.verifications
        ),
        script=None if state.script is None or state.script.active else state.script,
        watched=None,
        awaited=None,
        repairing=None,
        under_way=None,
        looking=None,
        late=None,
    )


def _settled(verification: VerificationState) -> VerificationState:
    """A verification that ran when its console died has to run again."""
    if verification.status is VerificationStatus.RUNNING:
        return replace(verification, status=VerificationStatus.PENDING)
    return verification


def _ledger(state: RunState, event: e.LedgerRead) -> RunState:
    steps = by_ledger(state.steps, event)
    applied = {s.plan.id for s in steps if s.status is StepStatus.APPLIED}
    verifications = tuple(
        v if v.plan.after in applied or v.plan.after in ("end", "back") else _reset(v) for v in state.verifications
    )
    over = state.opened is not None and another_night(steps, state.window_opened_at, state.opened.at)
    # It is answered by the row that is there or not, or by the commit log; else it is asked for again.
    answered = event.commit in ("committed", "aborted") or (event.exists and event.commit != "in progress")
    return replace(
        state,
        steps=steps,
        verifications=verifications,
        ledger=event,
        window_opened_at=None if over else state.window_opened_at,
        under_way=event.under_way,
        repairing=None,
        unanswered_commit=None if answered else state.unanswered_commit,
    )


def _reset(verification: VerificationState) -> VerificationState:
    return replace(verification, status=VerificationStatus.PENDING, result=None)


def _script_started(state: RunState, event: e.ScriptStarted) -> RunState:
    script = ScriptState(event)
    if state.script is not None and event.attempt > 1 and state.script.started.script == event.script:
        script = replace(script, waits=state.script.waits, given_back=state.script.given_back, batch=state.script.batch)
    steps = state.steps
    for step in event.steps:
        steps = _swap(steps, step, status=StepStatus.RUNNING, at=event.at, operator=event.operator, message="")
    return replace(state, script=script, steps=steps)


def _script_done(state: RunState, event: e.ScriptDone) -> RunState:
    forward = event.direction == "forward"
    status = StepStatus.APPLIED if forward else StepStatus.ROLLED_BACK
    steps, verifications = state.steps, state.verifications
    for step in event.steps:
        stands = {"status": status, "seconds": event.seconds, "at": event.at, "message": ""}
        steps = _swap(steps, step, **stands, completed=None, remains=None, undoing=False)
    night = {s.plan.id for s in tonight(state.steps)}
    touched = {*event.steps, "back"} | ({"end"} if night & set(event.steps) else set())
    verifications = tuple(_reset(v) if v.plan.after in touched else v for v in verifications)
    script = state.script and replace(state.script, phase="done", seconds=event.seconds)
    # What is taken back is nobody's any more; the step may come again, and then what it puts there counts anew.
    made = state.made if forward else tuple(told for told in state.made if told.step not in event.steps)
    rollback, rollback_ok = (None, None) if forward else (state.rollback, state.rollback_ok)
    return replace(
        state,
        steps=steps,
        verifications=verifications,
        script=script,
        rollback=rollback,
        rollback_ok=rollback_ok,
        compared=None if forward else state.compared,
        made=made,
        late=None,
        unanswered_commit=None,
    )


def _script_failed(state: RunState, event: e.ScriptFailed) -> RunState:
    completed, undoing = None, False
    if event.outcome == "in_doubt":
        status = StepStatus.IN_DOUBT
    elif event.outcome == "partial":
        status, completed, undoing = StepStatus.FAILED, event.completed, event.direction == "back"
    elif event.direction == "forward":
        # A cancelled step that left nothing behind is simply to come again.
        status = StepStatus.PENDING if event.reason == "cancelled" else StepStatus.FAILED
    else:
        status = StepStatus.APPLIED
    steps = state.steps
    for step in event.steps:
        stands = {"status": status, "at": event.at, "message": event.message}
        before = _with_id(steps, step)
        if event.direction == "back" and event.outcome == "rolled_back" and before.half:
            # It was not whole before, and the way back did not change that.
            steps = _swap(steps, step, **(stands | {"status": StepStatus.FAILED}))
            continue
        steps = _swap(steps, step, **stands, completed=completed, undoing=undoing)
    script = state.script and replace(state.script, phase="failed", failure=event)
    unanswered = state.unanswered_commit if event.outcome == "in_doubt" else None
    return replace(state, steps=steps, script=script, repairing=None, unanswered_commit=unanswered)


def _overridden(state: RunState, event: e.GateOverridden) -> RunState:
    ids = set(event.open)
    return replace(
        state,
        accepted=(*state.accepted, *(c for c in state.unaccepted_changes if c.id in ids)),
        late=None if state.late is not None and f"{LATE}{state.late.step}" in ids else state.late,
        overrides=(*state.overrides, event),
        items=tuple(replace(i, overridden=True) if i.plan.id in ids else i for i in state.items),
        verifications=tuple(
            replace(v, status=VerificationStatus.ACCEPTED)
            if v.plan.id in ids and v.status is VerificationStatus.FAILED
            else v
            for v in state.verifications
        ),
    )


def _in_script(state: RunState, event: e.Event) -> RunState:
    """Events that only move the script in hand."""
    return state if state.script is None else replace(state, script=moved(state.script, event))


def _fold(state: RunState, event: e.Event) -> RunState:
    match event:
        case e.RunOpened():
            return _opened(state, event)
        case e.LedgerRead():
            return _ledger(state, event)
        case e.RemainsFound():
            return replace(state, steps=by_catalog(state.steps, event))
        case e.RepairStarted():
            return replace(state, repairing=event)
        case e.RepairFinished():
            return replace(state, repairing=None)
        case e.ChangesFound():
            return replace(state, changes=event.changes)
        case e.RunWatched():
            return replace(state, watched=event)
        case e.ServerAwaited():
            # The clock runs from the first word of it on.
            begun = state.awaited.at if state.awaited is not None else event.at
            return replace(state, awaited=replace(event, at=begun))
        case e.ServerAnswered():
            return replace(state, awaited=None)
        case e.ProductionConfirmed():
            return replace(state, production_confirmed=True)
        case e.ItemTicked():
            changes = {"done": event.done, "operator": event.operator, "at": event.at, "note": event.note}
            return replace(state, items=_swap(state.items, event.item, **changes))
        case e.ItemsAsked():
            asked = set(event.items)
            return replace(
                state, items=tuple(replace(i, asking=True) if i.plan.id in asked else i for i in state.items)
            )
        case e.ItemProbed():
            return replace(
                state,
                items=_swap(
                    state.items, event.item, done=event.ok, probe=event, asking=False, at=event.at, operator="probe"
                ),
            )
        case e.GateOverridden():
            return _overridden(state, event)
        case e.WindowOpened():
            return replace(state, window_opened_at=event.at)
        case e.BaselineTaken():
            return replace(state, baselines={**state.baselines, event.verification: event})
        case e.ScriptStarted():
            return _script_started(state, event)
        case e.ScriptDone():
            return _script_done(state, event)
        case e.ScriptFailed():
            return _script_failed(state, event)
        case e.LockWaited():
            return _in_script(replace(state, waits=(*state.waits, event)), event)
        case e.CommitIntended():
            intents = {**state.intents, event.script: event}
            return _in_script(replace(state, intents=intents, unanswered_commit=event), event)
        case e.BatchDone() | e.StatementStarted():
            # What was committed before it was answered.
            return _in_script(replace(state, unanswered_commit=None), event)
        case e.StepSettled():
            return replace(state, unanswered_commit=None)
        case e.VerificationStarted():
            running = VerificationStatus.RUNNING
            return replace(state, verifications=_swap(state.verifications, event.verification, status=running))
        case e.VerificationFinished():
            status = VerificationStatus.PASSED if event.ok else VerificationStatus.FAILED
            return replace(
                state,
                verifications=_swap(state.verifications, event.verification, status=status, result=event),
            )
        case e.RollbackPlanned():
            # What judged these steps says nothing of what is there after it.
            touched = {*event.undoes, "end", "back"}
            verifications = tuple(_reset(v) if v.plan.after in touched else v for v in state.verifications)
            return replace(state, rollback=event, rollback_ok=None, compared=None, verifications=verifications)
        case e.RollbackFinished():
            return replace(state, rollback_ok=event.ok)
        case e.SessionSignalled():
            return replace(state, signals=(*state.signals, event))
        case e.PauseSet():
            return replace(state, paused=event.paused)
        case e.RunClosed():
            return replace(state, closed=event)
        case _:
            return _in_script(proved(state, event), event)
