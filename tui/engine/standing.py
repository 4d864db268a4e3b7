"""Where each line of a run stands: checklist item, step, verification, the script in hand, and what comes next."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from . import events as e


class StepStatus(StrEnum):
    """Where a step stands; the words of ``lockstep status``, and those of the moment."""

    PENDING = "pending"
    RUNNING = "running"
    APPLIED = "applied"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    ROLLED_BACK = "rolled_back"


class VerificationStatus(StrEnum):
    """Where a verification stands; ``accepted`` is a failed one that the operator went past with a reason."""

    PENDING = "pending"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class ItemState:
    """A checklist line. ``probe`` is the tool's last look at it, if it is not a human's; ``asking``: it looks now."""

    plan: e.PlannedItem
    done: bool = False
    operator: str = ""
    at: datetime | None = None
    note: str = ""
    probe: e.ItemProbed | None = None
    asking: bool = False
    overridden: bool = False

    @property
    def open(self) -> bool:
        """Required, not done and not overridden: a gate."""
        return self.plan.required and not self.done and not self.overridden


@dataclass(frozen=True, slots=True)
class StepState:
    """A step. ``seconds`` is how long the script took that brought it where it stands.

    ``completed`` is set where a script outside a transaction stopped: so many of its statements are in the database.
    """

    plan: e.PlannedStep
    status: StepStatus = StepStatus.PENDING
    seconds: float | None = None
    at: datetime | None = None
    operator: str = ""
    message: str = ""
    completed: int | None = None

    @property
    def present(self) -> bool:
        """The database holds something of it, whole or in part."""
        return self.status is StepStatus.APPLIED or bool(self.completed)


@dataclass(frozen=True, slots=True)
class VerificationState:
    """A verification and its last result."""

    plan: e.PlannedVerification
    status: VerificationStatus = VerificationStatus.PENDING
    result: e.VerificationFinished | None = None


@dataclass(frozen=True, slots=True)
class ScriptState:
    """The script in hand: what runs, or what ran last until the next begins.

    ``phase``: ``running`` a statement; ``backoff`` between two tries, until ``retry_at``; ``committing``;
    ``done``; ``failed``.
    """

    started: e.ScriptStarted
    phase: Literal["running", "backoff", "committing", "done", "failed"] = "running"
    statement: e.StatementStarted | None = None
    finished: tuple[e.StatementFinished, ...] = ()
    notices: tuple[e.NoticeRaised, ...] = ()
    given_back: e.LocksGivenBack | None = None
    waits: tuple[e.LockWaited, ...] = ()
    failure: e.ScriptFailed | None = None
    seconds: float | None = None

    @property
    def retry_at(self) -> datetime | None:
        """When the next try begins, while the script waits for it."""
        if self.phase != "backoff" or self.given_back is None:
            return None
        return self.given_back.at + timedelta(seconds=self.given_back.retry_in)

    @property
    def active(self) -> bool:
        """Something of ours is under way in the database or is about to be."""
        return self.phase in ("running", "backoff", "committing")


@dataclass(frozen=True, slots=True)
class NextAct:
    """What ``enter`` does now. ``gates`` names, in words, what keeps it closed."""

    kind: Literal["confirm_production", "open_window", "run_step", "run_verifications", "resolve", "finished", "busy"]
    step: str | None = None
    gates: tuple[str, ...] = ()
    gate_ids: tuple[str, ...] = ()
