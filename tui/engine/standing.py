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

    ``completed`` is set where a script that is not one transaction stopped: so many of its statements, or chunks of a
    batch, are in the database. ``remains``: what a statement outside a transaction left behind. ``lost``: the journal
    knows of the step and the ledger, which is gone, does not. ``undoing``: it is the way back that stopped.
    """

    plan: e.PlannedStep
    status: StepStatus = StepStatus.PENDING
    seconds: float | None = None
    at: datetime | None = None
    operator: str = ""
    message: str = ""
    completed: int | None = None
    remains: e.Remains | None = None
    lost: bool = False
    undoing: bool = False

    @property
    def repair(self) -> tuple[str, ...]:
        """The statements that take away what is in the way of going on."""
        return self.remains.repair if self.remains is not None else ()

    @property
    def half(self) -> bool:
        """A part of it is in the database, or of its way back, or something that it left behind."""
        return bool(self.completed) or bool(self.repair) or self.undoing

    @property
    def present(self) -> bool:
        """The database holds something of it, whole or in part."""
        # A way back that stopped leaves something of the step, however little of it was done.
        return self.status is StepStatus.APPLIED or self.half


@dataclass(frozen=True, slots=True)
class VerificationState:
    """A verification and its last result."""

    plan: e.PlannedVerification
    status: VerificationStatus = VerificationStatus.PENDING
    result: e.VerificationFinished | None = None


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batched script is. ``left`` as it was counted when the pass began, less what was done since.

    ``recent``: the last chunks by their end and rows. ``throttled``: why no chunk begins now.
    """

    done: int
    left: int
    size: int
    chunk: int = 0
    recent: tuple[tuple[datetime, int], ...] = ()
    throttled: str = ""

    @property
    def fraction(self) -> float:
        """Of all rows that are known of, how many are done: 0 to 1."""
        return self.done / (self.done + self.left) if self.done + self.left else 1.0

    @property
    def rate(self) -> float | None:
        """Rows a second over the last chunks, pauses included; None until there are two."""
        if len(self.recent) < 2:
            return None
        seconds = (self.recent[-1][0] - self.recent[0][0]).total_seconds()
        return sum(rows for _, rows in self.recent[1:]) / seconds if seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        rate = self.rate
        return self.left / rate if rate else None


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
    batch: BatchState | None = None

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

    kind: Literal[
        "watch",
        "take_over",
        "confirm_production",
        "open_window",
        "run_step",
        "run_verifications",
        "resolve",
        "repair",
        "finished",
        "busy",
    ]
    step: str | None = None
    gates: tuple[str, ...] = ()
    gate_ids: tuple[str, ...] = ()
