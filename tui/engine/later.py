"""Steps that wait for their time, and those after which there is no way back. Pure; seconds."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .lock_words import duration
from .standing import StepState, StepStatus

if TYPE_CHECKING:
    from .state import RunState


def tonight(steps: tuple[StepState, ...]) -> tuple[StepState, ...]:
    """The steps before the first that has to wait: what ``end`` is the end of."""
    first = next((n for n, step in enumerate(steps) if step.plan.not_before is not None), len(steps))
    return steps[:first]


def since_no_return(steps: tuple[StepState, ...]) -> tuple[str, ...]:
    """The applied steps from the last point of no return on."""
    applied = [step for step in steps if step.status is StepStatus.APPLIED]
    last = max((n for n, step in enumerate(applied) if step.plan.point_of_no_return), default=0)
    return tuple(step.plan.id for step in applied[last:])


def due_at(steps: tuple[StepState, ...], step: StepState) -> datetime | None:
    """From when on it may run; None where it need not wait, or what it waits for is not applied."""
    position = [s.plan.id for s in steps].index(step.plan.id)
    before = steps[position - 1] if position else None
    wait = step.plan.not_before
    if wait is None or before is None or before.status is not StepStatus.APPLIED or before.at is None:
        return None
    return before.at + timedelta(seconds=wait)


def next_step(state: "RunState") -> StepState | None:
    """The first step that is not applied and need not wait any more."""
    step = next((s for s in state.steps if s.status is not StepStatus.APPLIED), None)
    if step is None or step.half or step.plan.not_before is None:
        return step
    due = due_at(state.steps, step)
    return step if due is not None and state.last is not None and state.last.at >= due else None


def waiting(state: "RunState") -> StepState | None:
    """The step that the run would stop before, until its time has come."""
    at = next_step(state)
    ahead = [s for s in state.steps if s.status is not StepStatus.APPLIED and s is not at]
    return next((s for s in ahead if s.plan.not_before is not None), None)


def waits_in_words(steps: tuple[StepState, ...], step: StepState) -> str:
    """``not before 2026-12-06 01:46``, or how long after which step."""
    due = due_at(steps, step)
    if due is not None:
        return f"not before {due.astimezone():%Y-%m-%d %H:%M}"
    before = steps[[s.plan.id for s in steps].index(step.plan.id) - 1]
    return f"not before {long(step.plan.not_before or 0)} after {before.plan.id} is applied"


def long(seconds: float) -> str:
    """``14 days``, and below a day as every duration."""
    days = seconds / 86400
    return f"{days:g} day{'s' if days > 1 else ''}" if days >= 1 else duration(seconds)


def another_night(steps: tuple[StepState, ...], window_opened_at: datetime | None, now: datetime) -> bool:
    """The window was opened for what is done, and a step whose time has come since wants one of its own."""
    step = next((s for s in steps if s.status is not StepStatus.APPLIED), None)
    due = due_at(steps, step) if step is not None else None
    return window_opened_at is not None and due is not None and window_opened_at < due <= now


def ended_by(state: "RunState") -> str | None:
    """The last step that is in the database and cannot be taken back."""
    return next((s.plan.id for s in reversed(state.steps) if s.present and s.plan.point_of_no_return), None)
